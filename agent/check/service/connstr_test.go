package service

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/check/checktest"
	shape "github.com/caisey/caisey/sessionlog/check"
)

func TestParseConn(t *testing.T) {
	for text, want := range map[string]string{
		// ADO.NET
		`Server=db-01;Database=shop;User Id=app;Password="se@s/a;m?e";`:                                                                                          "sqlserver server=db-01:1433 db=shop user=app auth=password password=***",
		`Data Source=tcp:db-01.example.com,14330;Initial Catalog=shop;Integrated Security=SSPI`:                                                                  "sqlserver server=db-01.example.com:14330 db=shop user= auth=integrated",
		`Data Source=.\SQLEXPRESS;Initial Catalog=shop;Trusted_Connection=Yes`:                                                                                   `sqlserver server=localhost\SQLEXPRESS db=shop user= auth=integrated`,
		`server=a;failover partner=b;database=shop;uid=app;pwd='se@s/a;m?e'`:                                                                                     "sqlserver server=a:1433,b:1433 db=shop user=app auth=password password=***",
		`metadata=res://*/M.csdl;provider=System.Data.SqlClient;provider connection string="data source=db-01;initial catalog=shop;user id=app;password=sesame"`: "sqlserver server=db-01:1433 db=shop user=app auth=password password=***",
		`Host=pg-01;Port=5433;Username=app;Password=sesame;Database=shop`:                                                                                        "postgresql server=pg-01:5433 db=shop user=app auth=password password=***",
		`Server=my-01;Port=3306;Database=shop;Uid=app;Pwd=sesame;SslMode=Required`:                                                                               "mysql server=my-01:3306 db=shop user=app auth=password password=***",
		`Driver={ODBC Driver 18 for SQL Server};Server=db-01;Database=shop;UID=app;PWD={se@s/a;m?e}`:                                                             "sqlserver server=db-01:1433 db=shop user=app auth=password password=***",
		`Data Source=(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=ora-01)(PORT=1522))(CONNECT_DATA=(SERVICE_NAME=shop)));User Id=app;Password=sesame;`:              "oracle server=ora-01:1522 db=shop user=app auth=password password=***",
		// libpq
		`host=pg-01 port=5433 dbname=shop user=app password='se@s/a;m?e'`: "postgresql server=pg-01:5433 db=shop user=app auth=password password=***",
		`host=a,b port=5432,5433 dbname=shop`:                             "postgresql server=a:5432,b:5433 db=shop user= auth=none",
		`dbname=shop`:                                                     "postgresql server=/var/run/postgresql/.s.PGSQL.5432 db=shop user= auth=none",
		`postgres://app:se@s/a;m?e@pg-01/shop`:                            "postgresql server=pg-01:5432 db=shop user=app auth=password password=***",
		`postgres://app:sesame@pg-01/shop?application_name=a@b`:           "postgresql server=pg-01:5432 db=shop user=app auth=password password=***",
		`postgres://app:se@s/a;m@pg-01/shop?sslmode=require`:              "postgresql server=pg-01:5432 db=shop user=app auth=password password=***",
		`postgres://app:sesam?e@pg-01:5433/shop`:                          "postgresql server=pg-01:5433 db=shop user=app auth=password password=***",
		`postgresql://app@a:1,[fd00::1]:2/shop`:                           "postgresql server=a:1,[fd00::1]:2 db=shop user=app auth=user without password",
		`postgresql:///shop?host=/run/pg&port=5433&user=app`:              "postgresql server=/run/pg/.s.PGSQL.5433 db=shop user=app auth=user without password",
		`postgresql+psycopg2://app:sesame@pg-01/shop`:                     "postgresql server=pg-01:5432 db=shop user=app auth=password password=***",
		// JDBC
		`jdbc:sqlserver://db-01:14330;databaseName=shop;user=app;password={se@s/a;m?e}`: "sqlserver server=db-01:14330 db=shop user=app auth=password password=***",
		`jdbc:sqlserver://db-01\INST;databaseName=shop;integratedSecurity=true`:         `sqlserver server=db-01\INST db=shop user= auth=integrated`,
		`jdbc:postgresql://a:5432,b:5433/shop?user=app&password=sesame`:                 "postgresql server=a:5432,b:5433 db=shop user=app auth=password password=***",
		`jdbc:postgresql:shop`: "postgresql server=localhost:5432 db=shop user= auth=none",
		`jdbc:mysql:replication://a,b:3307/shop?user=app&password=sesame`: "mysql server=a:3306,b:3307 db=shop user=app auth=password password=***",
		`jdbc:oracle:thin:app/se@s/a;m?e@//ora-01:1521/shop`:              "oracle server=ora-01:1521 db=shop user=app auth=password password=***",
		`jdbc:oracle:thin:@ora-01:1521:ORCL`:                              "oracle server=ora-01:1521 db=ORCL user= auth=none",
		// MySQL, and others
		`app:se@s/a;m?e@tcp(my-01:3307)/shop?parseTime=true`: "mysql server=my-01:3307 db=shop user=app auth=password password=***",
		`app@unix(/run/mysqld/mysqld.sock)/shop`:             "mysql server=/run/mysqld/mysqld.sock db=shop user=app auth=user without password",
		`redis://:sesame@cache-01/0`:                         "redis server=cache-01:6379 db=0 user= auth=password password=***",
		`amqps://app:sesame@mq-01/v`:                         "amqp server=mq-01:5671 db=v user=app auth=password password=***",
		// none
		`https://www.example.com/`: "", `hello`: "", `a=b;c=d`: "", `host=only`: "", `postgres://app:sesame;m@e#`: "", ``: "", `jdbc:x`: "",
		`Server=se same!;User=x`: "",
	} {
		c, ok := parseConn(text)
		got := ""
		if ok {
			got = c.masked()
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
		for _, piece := range []string{"sesame", "se@s", "a;m", "m?e", "sesam"} {
			if strings.Contains(got, piece) {
				t.Errorf("%s: a piece of the password is in %s", text, got)
			}
		}
	}
}

// FuzzParseConn: whatever stands around it in the password, no piece of the password
// comes back, in any form of connection string.
func FuzzParseConn(f *testing.F) {
	const piece = "zq0zq"
	for _, p := range []string{"", "@", "/", ":", ";", "'", `"`, "}", "{", `\`, " ", "=", "#", ",", "@h:1/", "';server=", "x y=", "))"} {
		f.Add(p, p)
		f.Add("", p)
	}
	libpq := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.ContainsAny(before+after, "?") || strings.Contains(before+after, piece) {
			return // a driver itself takes what is before ? for the host
		}
		p := before + piece + after
		double := func(quote string) string { return quote + strings.ReplaceAll(p, quote, quote+quote) + quote }
		braces := "{" + strings.ReplaceAll(p, "}", "}}") + "}"
		for _, text := range []string{
			"postgres://app:" + p + "@pg-01/shop", "redis://:" + p + "@cache-01", "app:" + p + "@tcp(my-01:3306)/shop",
			"jdbc:oracle:thin:app/" + p + "@//ora-01:1521/shop", "jdbc:sqlserver://db-01;user=app;password=" + braces,
			"Server=db-01;Database=shop;User Id=app;Password=" + double(`"`), "Password=" + double(`'`) + ";Server=db-01;Database=shop",
			"Driver={x};PWD=" + braces + ";Server=db-01;UID=app", "host=pg-01 dbname=shop user=app password='" + libpq.Replace(p) + "'",
		} {
			c, ok := parseConn(text)
			if strings.Contains(c.masked()+fmt.Sprintf("%+v", c), piece) {
				t.Errorf("%q: %+v", text, c)
			}
			if ok && len(c.servers) == 0 {
				t.Errorf("%q: a connection to nowhere", text)
			}
		}
		_, _ = parseConn(p)
	})
}

func listen(t *testing.T) (open, shut int) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	closed, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shut = closed.Addr().(*net.TCPAddr).Port
	_ = closed.Close()
	return l.Addr().(*net.TCPAddr).Port, shut
}

func config(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConnstr(t *testing.T) {
	open, shut := listen(t)
	file := config(t, "appsettings.json", fmt.Sprintf("\xef\xbb\xbf{\n// of the shop\n"+`"ConnectionStrings": {
		"Good": "Host=127.0.0.1;Port=%d;Username=app;Password=sesame;Database=shop",
		"Bad": "postgres://app:sesame@127.0.0.1:%d/shop",
		"Ugly": "Server=db-01.invalid;Database=shop;User Id=app;Password=sesame"}, "Other": ["x", 1, null]}`, open, shut), 0o600)
	a := checktest.Ask(t, connstr(), "file", file, "key", "ConnectionStrings:Good")
	a.Fine(t)
	if got := a.Column(t, "", "connects"); !slices.Equal(got, []string{"yes"}) {
		t.Errorf("connects %v", got)
	}
	want := shape.Edge{Kind: shape.ConnectsTo, To: fmt.Sprintf("127.0.0.1:%d", open), Label: "postgresql shop"}
	if len(a.Edges) != 1 || a.Edges[0] != want {
		t.Errorf("edges %+v", a.Edges)
	}
	a = checktest.Ask(t, connstr(), "file", file)
	if got := a.Column(t, "", "key"); !slices.Equal(got, []string{"ConnectionStrings.Good", "ConnectionStrings.Bad", "ConnectionStrings.Ugly"}) {
		t.Errorf("keys %v", got)
	}
	if len(a.Findings) != 2 || a.Findings[0].Text != fmt.Sprintf("ConnectionStrings.Bad: 127.0.0.1:%d refuses the connection", shut) ||
		!strings.HasPrefix(a.Findings[1].Text, "ConnectionStrings.Ugly: db-01.invalid:1433 does not resolve") {
		t.Errorf("findings %+v", a.Findings)
	}
	all := fmt.Sprintf("%s %s %+v", a.Raw, a.Said, a.Result)
	if strings.Contains(all, "sesame") || strings.Count(string(a.Raw), "password=***") != 3 {
		t.Errorf("told: %s", all)
	}
	a = checktest.Ask(t, connstr(), "file", file, "connect", "no")
	a.Fine(t)
	if got := a.Column(t, "", "connects"); got[0] != "-" {
		t.Errorf("connects %v", got)
	}
}

func TestConnstrMissing(t *testing.T) {
	file := config(t, "app.env", "A=1\n", 0o600)
	if f := checktest.Ask(t, connstr(), "file", file, "key", "DB").Finding(t, "crit"); !strings.HasSuffix(f.Text, "has no setting DB") {
		t.Errorf("finding %q", f.Text)
	}
	if f := checktest.Ask(t, connstr(), "file", file+"x").Finding(t, "crit"); !strings.HasPrefix(f.Text, "there is no file") {
		t.Errorf("finding %q", f.Text)
	}
	checktest.Ask(t, connstr(), "file", file, "key", "A").CannotTell(t)
	broken := config(t, "x.json", `{"a": "password=sesame`, 0o600)
	if why := checktest.Ask(t, connstr(), "file", broken).CannotTell(t); strings.Contains(why, "sesame") {
		t.Error(why)
	}
	checktest.Ask(t, connstr(), "file", t.TempDir()).CannotTell(t)
}

func TestConnstrReadableByAll(t *testing.T) {
	file := config(t, "app.env", "DB=redis://:sesame@127.0.0.1:6379/0\n", 0o600)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	f := checktest.Ask(t, connstr(), "file", file, "connect", "no").Finding(t, "warn")
	if !strings.Contains(f.Text, "every user of the machine may read it") {
		t.Errorf("finding %q", f.Text)
	}
}

// TestConnstrSocket connects to a Unix socket where libpq has it.
func TestConnstrSocket(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", dir+"/.s.PGSQL.5432")
	if err != nil {
		t.Fatal(err)
	}
	file := config(t, "x.conf", "dsn = host="+dir+" dbname=shop user=app\n", 0o600)
	checktest.Ask(t, connstr(), "file", file).Fine(t)
	_ = l.Close()
	a := checktest.Ask(t, connstr(), "file", file)
	if f := a.Finding(t, "crit"); !strings.Contains(f.Text, "cannot be reached") {
		t.Errorf("finding %q", f.Text)
	}
}
