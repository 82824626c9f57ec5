package check

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Values are the arguments of a check, validated and with the defaults. Its methods
// panic if the check declares no such parameter.
type Values struct {
	spec  Spec
	text  map[string]string
	given map[string]bool
}

func (v Values) get(name string) string {
	text, ok := v.text[name]
	if !ok {
		panic(fmt.Sprintf("check %s declares no parameter %q", v.spec.Name, name))
	}
	return text
}

// Has reports whether the parameter has a value, given or by default.
func (v Values) Has(name string) bool { return v.get(name) != "" }

// Given reports whether the asker gave the parameter.
func (v Values) Given(name string) bool { return v.get(name) != "" && v.given[name] }

// Text returns the parameter as it was written; empty if it has no value.
func (v Values) Text(name string) string { return v.get(name) }

// List returns the texts of a list; nil if it has no value.
func (v Values) List(name string) []string {
	var out []string
	for _, s := range strings.Split(v.get(name), ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Int returns the whole number; 0 if it has no value.
func (v Values) Int(name string) int {
	n, _ := strconv.Atoi(v.get(name))
	return n
}

// Number returns the number; 0 if it has no value. Of a duration it is the seconds.
func (v Values) Number(name string) float64 {
	p, _ := v.spec.Param(name)
	n, _ := p.number(v.get(name))
	return n
}

// Duration returns the duration; 0 if it has no value.
func (v Values) Duration(name string) time.Duration {
	d, _ := parseDuration(v.get(name))
	return d
}

// Bool returns whether the parameter is yes.
func (v Values) Bool(name string) bool { return v.get(name) == "yes" }
