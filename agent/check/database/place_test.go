package database

import (
	"strings"
	"testing"
	"time"
)

func TestStatement(t *testing.T) {
	for in, want := range map[string]string{
		"SELECT 1\n\tFROM t":                                     "SELECT 1 FROM t",
		"select password from users where id = 5":                "select password from users where id = 5",
		"ALTER ROLE x PASSWORD 'hunter2'":                        "ALTER ROLE x PASSWORD '***'",
		"CREATE USER x WITH ENCRYPTED PASSWORD E'hun\\'ter2' x":  "CREATE USER x WITH ENCRYPTED PASSWORD '***' x",
		"ALTER ROLE x PASSWORD $p$hunter2$p$":                    "ALTER ROLE x PASSWORD '***'",
		"ALTER ROLE x PASSWORD 'hunter2":                         "ALTER ROLE x PASSWORD '***'", // the server cut it
		"DO 'ALTER ROLE x PASSWORD ''hunter2'''":                 "DO 'ALTER ROLE x PASSWORD '***'",
		"CREATE USER a IDENTIFIED BY 'it''s hunter2'":            "CREATE USER a IDENTIFIED BY '***'",
		"CREATE USER a IDENTIFIED BY PASSWORD '*hunter2'":        "CREATE USER a IDENTIFIED BY PASSWORD '***'",
		"CREATE USER a IDENTIFIED VIA ed25519 USING 'hunter2'":   "CREATE USER a IDENTIFIED VIA ed25519 USING '***'",
		"SET PASSWORD FOR 'a'@'%' = PASSWORD('hunter2')":         "SET PASSWORD FOR 'a'@'%' = PASSWORD('***')",
		`SET PASSWORD = "hunter2"`:                               "SET PASSWORD = '***'",
		"CHANGE MASTER TO MASTER_PASSWORD='hunter2', MASTER_A=1": "CHANGE MASTER TO MASTER_PASSWORD='***', MASTER_A=1",
		"CREATE LOGIN a WITH PASSWORD = N'hunter2' MUST_CHANGE":  "CREATE LOGIN a WITH PASSWORD = '***' MUST_CHANGE",
		"CREATE LOGIN a WITH PASSWORD = 0x0200ABCD HASHED":       "CREATE LOGIN a WITH PASSWORD = '***' HASHED",
		"ALTER LOGIN a WITH PASSWORD='hunter2' OLD_PASSWORD='h'": "ALTER LOGIN a WITH PASSWORD='***' OLD_PASSWORD='***'",
		"SELECT dblink('host=a password=hunter2 user=b')":        "SELECT dblink('host=a password=*** user=b')",
		"SELECT 'postgres://u:hunter2@db/x'":                     "SELECT 'postgres://u:***@db/x'",
		"EXEC f @password = N'hunter2', @b = 1":                  "EXEC f @password = '***', @b = 1",
	} {
		if got := statement(in); got != want {
			t.Errorf("%s\n became %s\n not    %s", in, got, want)
		}
	}
	long := statement("ALTER ROLE x PASSWORD '" + strings.Repeat("hunter2", 500) + "' " + strings.Repeat("é", 500))
	if len(long) > maxStatement+len("…") || strings.Contains(long, "hunter2") || !strings.HasSuffix(long, "é…") {
		t.Errorf("%q", long)
	}
}

func TestChains(t *testing.T) {
	w := func(pairs ...int64) (waits []wait) {
		for i := 0; i < len(pairs); i += 2 {
			waits = append(waits, wait{waiter: pairs[i], blocker: pairs[i+1], waited: time.Second})
		}
		return waits
	}
	for _, c := range []struct {
		waits []wait
		of    int64
		want  position
	}{
		{w(2, 1), 2, position{head: 1, depth: 1}},
		{w(3, 2, 2, 1), 3, position{head: 1, depth: 2}},
		{w(3, 9, 3, 2, 2, 1), 3, position{head: 1, depth: 2}}, // the longest way
		{w(2, 0), 2, position{head: 0, depth: 1}},             // a prepared transaction
	} {
		if got := chains(c.waits)[c.of]; got != c.want {
			t.Errorf("%v: %d is at %+v, not %+v", c.waits, c.of, got, c.want)
		}
	}
	for _, of := range []int64{1, 2, 3} {
		if got := chains(w(1, 2, 2, 1, 3, 1))[of]; !got.ring {
			t.Errorf("%d is at %+v, not in a ring", of, got)
		}
	}
}
