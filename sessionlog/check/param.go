package check

import (
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Param declares a parameter of a check.
type Param struct {
	Name    string    `json:"name"`
	Summary string    `json:"summary"`
	Type    ParamType `json:"type"`
	// Default is what holds if it is not given; empty means nothing does.
	Default  string `json:"default,omitempty"`
	Required bool   `json:"required,omitempty"`
	// Values are what an Enum can be.
	Values []string `json:"values,omitempty"`
	// Min and Max bound a number; both 0 means no bounds.
	Min float64 `json:"min,omitempty"`
	Max float64 `json:"max,omitempty"`
	// Unit is what a number counts.
	Unit string `json:"unit,omitempty"`
	// Threshold says that it decides when something is wrong. Who asks can set it,
	// and a team can set it for a client.
	Threshold bool `json:"threshold,omitempty"`
	// Complete names the column whose cells an earlier answer can complete it from,
	// CHECK:COLUMN: "svc.status:name".
	Complete string `json:"complete,omitempty"`
}

// ParamType says what a parameter is.
type ParamType string

// The types of parameters.
const (
	AText     ParamType = "text"
	AnInt     ParamType = "int"
	ANumber   ParamType = "number"
	ADuration ParamType = "duration" // as in 90s, 5m, 24h; or a number and d for days
	ABool     ParamType = "bool"     // yes or no
	AHost     ParamType = "host"     // a name or an address
	APort     ParamType = "port"     // 1 to 65535
	AHostPort ParamType = "hostport" // HOST:PORT
	APath     ParamType = "path"     // a file or directory of the endpoint
	AList     ParamType = "list"     // texts with commas between
	AnEnum    ParamType = "enum"     // one of Values
	ASecret   ParamType = "secret"   // the name of a secret that the endpoint holds
)

// maxValue is the most bytes of a parameter's value.
const maxValue = 4 << 10

func (p Param) err() error {
	if !wordName.MatchString(p.Name) || !line(p.Summary) || p.Summary == "" || !line(p.Unit) || !line(p.Complete) {
		return errors.New("name and summary are one word and one line")
	}
	if p.Type == AnEnum && (len(p.Values) == 0 || len(p.Values) > 64 || slices.ContainsFunc(p.Values, func(v string) bool { return v == "" || !line(v) })) {
		return errors.New("an enum has values")
	}
	if p.Default != "" {
		return p.Err(p.Default)
	}
	return p.Err("")
}

// Err reports why v can not be the parameter's value. Empty is: it was not given.
func (p Param) Err(v string) error {
	if len(v) > maxValue || !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
		return fmt.Errorf("at most %d bytes of text", maxValue)
	}
	switch p.Type {
	case AText, AnEnum, AList, ASecret, APath, AHost, AHostPort, ABool:
		return p.errText(v)
	case AnInt, ANumber, ADuration, APort:
		return p.errNumber(v)
	}
	return fmt.Errorf("the type %q is not known", p.Type)
}

func (p Param) errText(v string) error {
	if v == "" {
		return nil
	}
	switch p.Type {
	case AnEnum:
		if !slices.Contains(p.Values, v) {
			return fmt.Errorf("one of %s", strings.Join(p.Values, ", "))
		}
	case ABool:
		if v != "yes" && v != "no" {
			return errors.New("yes or no")
		}
	case ASecret:
		if strings.ContainsFunc(v, notNameRune) || strings.HasPrefix(v, ".") {
			return errors.New("the name of a secret: letters, digits, dots, dashes and underscores")
		}
	case AHost:
		return errHost(v)
	case AHostPort:
		host, port, err := net.SplitHostPort(v)
		if err != nil || !isPort(port) {
			return errors.New("HOST:PORT")
		}
		return errHost(host)
	}
	return nil
}

func notNameRune(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune(".-_", r)
}

func errHost(v string) error {
	if len(v) > 255 || strings.HasPrefix(v, "-") || strings.ContainsFunc(v, func(r rune) bool {
		return r < utf8.RuneSelf && notNameRune(r) && r != ':' && r != '%'
	}) {
		return errors.New("the name or the address of a host")
	}
	return nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

func (p Param) errNumber(v string) error {
	if v == "" {
		return nil
	}
	n, err := p.number(v)
	switch {
	case err != nil:
		return err
	case p.Type == APort && !isPort(v):
		return errors.New("a port, 1 to 65535")
	case (p.Min != 0 || p.Max != 0) && (n < p.Min || n > p.Max):
		return fmt.Errorf("from %g to %g", p.Min, p.Max)
	}
	return nil
}

// number returns v as a number; of a duration it is the seconds.
func (p Param) number(v string) (float64, error) {
	switch p.Type {
	case ADuration:
		d, err := parseDuration(v)
		return d.Seconds(), err
	case AnInt, APort:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return 0, errors.New("a whole number")
		}
		return float64(n), nil
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		return 0, errors.New("a number")
	}
	return n, nil
}

// parseDuration reads what time.ParseDuration reads, and days: 7d.
func parseDuration(v string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(v, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return 0, errors.New("a time such as 90s, 15m, 24h or 7d")
	}
	return d, nil
}
