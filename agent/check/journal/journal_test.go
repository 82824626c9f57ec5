package journal

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	all, err := Parse([]byte(`{"__REALTIME_TIMESTAMP":"1700000000000001","MESSAGE":[104,105,255],"_COMM":"x"}
{"__REALTIME_TIMESTAMP":"1700000000000002","MESSAGE":["one","two"],"SYSLOG_IDENTIFIER":"kernel","MESSAGE_ID":"ab"}
`))
	if err != nil || len(all) != 2 || all[0].Message != "hi\ufffd" || all[0].Source != "x" || all[1].Message != "one" || all[1].ID != "ab" {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := Parse([]byte("{\"__REALTIME_TIMESTAMP\":\"1\"}\n{}")); err == nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestParseKernel(t *testing.T) {
	booted := time.Unix(1000, 0)
	e, ok := ParseKernel("4,12,2500000,-;EXT4-fs error; bad\n SUBSYSTEM=block\n", booted)
	if !ok || e.Message != "EXT4-fs error; bad" || !e.Time.Equal(time.Unix(1002, 5e8)) {
		t.Errorf("%+v, %v", e, ok)
	}
	for _, bad := range []string{"", "4,1;x", "30,1,2,-;from a program", "4,1,-2,-;x", "a,b,c;x"} {
		if e, ok := ParseKernel(bad, booted); ok {
			t.Errorf("%q: %+v", bad, e)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"__REALTIME_TIMESTAMP":"1","MESSAGE":[1,[2]]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, _ := Parse(text)
		for _, e := range all {
			if e.Time.Before(time.Unix(0, 0)) {
				t.Error(e)
			}
		}
	})
}

func FuzzParseKernel(f *testing.F) {
	f.Add("4,12,2500000,-;text\n X=1\n")
	f.Fuzz(func(t *testing.T, record string) {
		if e, ok := ParseKernel(record, time.Unix(0, 0)); ok && e.Time.Before(time.Unix(0, 0)) {
			t.Error(e)
		}
	})
}
