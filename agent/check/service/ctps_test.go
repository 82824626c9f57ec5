//go:build unix

package service

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
)

// engineAt serves answers in the shape of Docker's API on a socket, by path.
func engineAt(t *testing.T, answers map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "engine.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := answers[r.URL.RequestURI()]
		if !ok {
			http.Error(w, `{"message":"No such container"}`, http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(a))
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return path
}

func listedJSON(id, name, state string) string {
	return `{"Id":"` + id + `","Names":["/` + name + `"],"Image":"registry.example.com/` + name + `:1","ImageID":"sha256:00","Command":"run --password=sesame",` +
		`"Created":1795500000,"Ports":[],"Labels":{"secret":"sesame"},"State":"` + state + `","Status":"x","HostConfig":{"NetworkMode":"bridge"}}`
}

func inspectJSON(state, restarts string) string {
	return `{"Id":"x","Name":"/x","RestartCount":` + restarts + `,"State":{` + state + `},"Config":{"Env":["PASSWORD=sesame"]}}`
}

func TestContainers(t *testing.T) {
	web := inspectJSON(`"Status":"running","Running":true,"OOMKilled":false,"Dead":false,"Pid":4711,"ExitCode":0,"Error":"","StartedAt":"2026-11-24T08:00:00.5Z","FinishedAt":"0001-01-01T00:00:00Z","Health":{"Status":"healthy"}`, "0")
	sick := strings.Replace(web, "healthy", "unhealthy", 1)
	dead := inspectJSON(`"Status":"exited","OOMKilled":false,"ExitCode":2,"StartedAt":"2026-11-24T08:00:00Z","FinishedAt":"2026-11-24T08:00:01Z"`, "4")
	oom := inspectJSON(`"Status":"exited","OOMKilled":true,"ExitCode":137,"StartedAt":"2026-11-24T08:00:00Z","FinishedAt":"2026-11-24T08:00:01Z"`, "0")
	done := inspectJSON(`"Status":"exited","OOMKilled":false,"ExitCode":0,"StartedAt":"2026-11-24T08:00:00Z","FinishedAt":"2026-11-24T08:00:01Z"`, "0")
	answers := map[string]string{
		"/containers/json?all=1": "[" + listedJSON("a1", "web", "running") + "," + listedJSON("a4", "job", "exited") + "," + listedJSON("a9", "gone", "running") + "]",
		"/containers/a1/json":    web, "/containers/a2/json": dead, "/containers/a3/json": oom, "/containers/a4/json": done, "/containers/a5/json": sick,
	}
	a := checktest.Ask(t, containers([]string{engineAt(t, answers)}))
	a.Fine(t)
	if got := a.Column(t, "", "name"); !slices.Equal(got, []string{"web", "job"}) {
		t.Errorf("names %v: one that went away meanwhile is none", got)
	}
	if got := a.Column(t, "", "exit"); !slices.Equal(got, []string{"-", "0"}) {
		t.Errorf("exits %v", got)
	}
	if got := a.Column(t, "", "finished"); got[0] != "-" {
		t.Errorf("a container that runs finished at %v", got[0])
	}
	if strings.Contains(string(a.Raw), "sesame") || !strings.Contains(string(a.Raw), "registry.example.com/web:1") {
		t.Errorf("raw %s", a.Raw)
	}

	answers["/containers/json?all=1"] = "[" + listedJSON("a2", "api", "exited") + "," + listedJSON("a3", "db", "exited") + "," + listedJSON("a5", "web", "running") + "]"
	a = checktest.Ask(t, containers(nil), "socket", engineAt(t, answers))
	var got []string
	for _, f := range a.Findings {
		got = append(got, f.Text)
	}
	want := []string{"api ended with 2", "api was started again 4 times", "db was killed for want of memory", "web runs and is unhealthy"}
	if !slices.Equal(got, want) {
		t.Errorf("findings %q", got)
	}
	if f := a.Finding(t, "restarts"); f.Severity != check.Warn {
		t.Errorf("finding %+v", f)
	}
}

func TestNoContainerEngine(t *testing.T) {
	dir := t.TempDir()
	if why := checktest.Ask(t, containers([]string{dir + "/none"})).CannotTell(t); !strings.Contains(why, "no container engine has a socket at") {
		t.Error(why)
	}
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if why := checktest.Ask(t, containers(nil), "socket", dir+"/file").CannotTell(t); !strings.Contains(why, "is not a socket") {
		t.Error(why)
	}
	l, err := net.Listen("unix", dir+"/dead")
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	if why := checktest.Ask(t, containers(nil), "socket", dir+"/dead").CannotTell(t); !strings.Contains(why, "no container engine listens at") {
		t.Error(why)
	}
	checktest.Ask(t, containers(nil), "socket", engineAt(t, map[string]string{"/containers/json?all=1": "no JSON"})).CannotTell(t)
}
