package service

import (
	"slices"
	"testing"
)

// TestSettings reads the same settings in every format.
func TestSettings(t *testing.T) {
	for name, text := range map[string]string{
		"a.ini":      "# of the shop\n[db]\nurl = \"redis://h/1\"\n; none\nport: 5\n[other]\nempty=\n",
		"a.json":     `{"db": {"url": "redis://h/1", "port": 5}, "other": {"empty": ""}}`,
		"a.yaml":     "---\ndb:   # of the shop\n  url: 'redis://h/1'  # here\n  port: 5\nother:\n  empty: \"\"\n",
		"a.xml":      `<?xml version="1.0" encoding="utf-16"?><r><db url="redis://h/1"><port>5</port></db></r>`,
		"a.bare":     "export db.url='redis://h/1'\ndb.port=5\n",
		"a.bareJSON": ` {"db": {"url": "redis://h/1", "port": 5}}`,
	} {
		all, err := loadSettings(config(t, name, text, 0o600), "auto")
		if err != nil {
			t.Fatal(name, err)
		}
		for key, want := range map[string]string{"db.url": "redis://h/1", "DB:Port": "5"} {
			i := slices.IndexFunc(all, func(s setting) bool { return s.is(key) })
			if i < 0 || all[i].value != want {
				t.Errorf("%s: %s is not %q: %+v", name, key, want, all)
			}
		}
	}
}

func TestSettingsOfDotNet(t *testing.T) {
	all, err := loadSettings("testdata/web.config", "auto")
	if err != nil {
		t.Fatal(err)
	}
	conns, _ := connsIn(all, "")
	var got []string
	for _, c := range conns {
		got = append(got, c.key+": "+c.masked())
	}
	want := []string{
		"connectionStrings.Shop: sqlserver server=db-01:1433 db=shop user= auth=integrated",
		"appSettings.Cache: redis server=cache-01:6379 db=0 user= auth=password password=***",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestSettingsOfYAML(t *testing.T) {
	got := yamlSettings("a:\n- x: 1\n  y: 2\n- z\nb:\n  - c: \"d: e\"\n    f:\n      g: h\n\"k\": v\n")
	want := []setting{{"a.0.x", "1"}, {"a.0.y", "2"}, {"a.1", "z"}, {"b.0.c", "d: e"}, {"b.0.f.g", "h"}, {"k", "v"}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

func FuzzSettings(f *testing.F) {
	f.Add("a:\n- b: c\n  - d\n")
	f.Add("[a]\nb='c\n'")
	f.Add("<a b='c'>d</a></a>")
	f.Fuzz(func(_ *testing.T, text string) {
		yamlSettings(text)
		iniSettings(text)
		_, _ = xmlSettings([]byte(text))
		_, _ = jsonSettings([]byte(text))
	})
}

// TestSettingsInParts: host, port and the rest are settings of their own.
func TestSettingsInParts(t *testing.T) {
	all, err := loadSettings(config(t, ".env", "DB_CONNECTION=pgsql\nDB_HOST=pg-01\nDB_DATABASE=shop\nDB_USERNAME=app\nDB_PASSWORD=sesame\nMAIL_HOST=mail-01\nQ_HOST=q-01\nQ_PORT=77\n", 0o600), "auto")
	if err != nil {
		t.Fatal(err)
	}
	conns, _ := connsIn(all, "")
	var got []string
	for _, c := range conns {
		got = append(got, c.key+": "+c.masked())
	}
	want := []string{
		"DB_HOST: postgresql server=pg-01:5432 db=shop user=app auth=password password=***",
		"Q_HOST: tcp server=q-01:77 db= user= auth=none",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
