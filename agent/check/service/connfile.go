package service

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/caisey/caisey/agent/check"
)

// A setting is a value of a configuration file. Its key has the names of what it
// stands in before it, with dots.
type setting struct{ key, value string }

// is reports whether the setting is meant by key: whole, or its end.
func (s setting) is(key string) bool {
	have, want := strings.ToLower(s.key), strings.ToLower(strings.ReplaceAll(key, ":", "."))
	return have == want || strings.HasSuffix(have, "."+want)
}

// maxConfig is the most bytes of a configuration file.
const maxConfig = 4 << 20

// loadSettings reads a file in that format, or in what its name tells.
func loadSettings(name, format string) ([]setting, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read configuration: %w", err)
	case !info.Mode().IsRegular() || info.Size() > maxConfig:
		return nil, check.Unknown("%s is not a file of at most %d MiB", name, maxConfig>>20)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	if format == "auto" {
		format = formatOf(name, content)
	}
	var all []setting
	switch format {
	case "json":
		all, err = jsonSettings(content)
	case "yaml":
		all = yamlSettings(string(content))
	case "xml":
		all, err = xmlSettings(content)
	default:
		all = iniSettings(string(content))
	}
	if err != nil { // its words may quote the file
		return nil, check.Unknown("%s is not written as %s", name, format)
	}
	return all, nil
}

func formatOf(name string, content []byte) string {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json":
		return "json"
	case ".yaml", ".yml":
		return "yaml"
	case ".xml", ".config":
		return "xml"
	case ".ini", ".env", ".properties", ".conf", ".cnf", ".cfg":
		return "ini"
	}
	switch content = bytes.TrimSpace(content); {
	case bytes.HasPrefix(content, []byte("{")):
		return "json"
	case bytes.HasPrefix(content, []byte("<")):
		return "xml"
	}
	return "ini"
}

// jsonSettings reads JSON, and lines that are comments as .NET allows them.
func jsonSettings(content []byte) ([]setting, error) {
	var lines [][]byte
	for line := range bytes.Lines(content) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("//")) {
			lines = append(lines, line)
		}
	}
	dec := json.NewDecoder(bytes.NewReader(bytes.Join(lines, nil)))
	dec.UseNumber()
	var all []setting
	return all, jsonValue(dec, "", &all, 0)
}

var errDeep = errors.New("it is nested too deep")

const maxDepth = 64

// jsonValue reads one value, in the file's order.
func jsonValue(dec *json.Decoder, key string, all *[]setting, depth int) error {
	t, err := dec.Token()
	if err != nil || depth > maxDepth {
		return errors.Join(err, deep(depth))
	}
	d, ok := t.(json.Delim)
	if !ok {
		*all = append(*all, setting{key, fmt.Sprint(t)})
		return nil
	}
	for i := 0; dec.More(); i++ {
		name := strconv.Itoa(i)
		if d == '{' {
			t, err := dec.Token()
			if err != nil {
				return err
			}
			name, _ = t.(string)
		}
		if err := jsonValue(dec, under(key, name), all, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

func deep(depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	return nil
}

func under(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// xmlSettings reads <add name= connectionString=> and <add key= value=> of .NET, and
// attributes and texts that hold a URL, of Java.
func xmlSettings(content []byte) ([]setting, error) {
	dec := xml.NewDecoder(bytes.NewReader(content))
	dec.Strict = false
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	var all []setting
	var path []string
	for {
		t, err := dec.RawToken()
		switch {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Local)
			all = append(all, xmlAttrs(path, t.Attr)...)
		case xml.EndElement:
			path = path[:max(0, len(path)-1)]
		case xml.CharData:
			if v := strings.TrimSpace(string(t)); v != "" {
				all = append(all, setting{strings.Join(path, "."), v})
			}
		}
	}
}

func xmlAttrs(path []string, attrs []xml.Attr) (all []setting) {
	name := ""
	for _, a := range attrs {
		if a.Name.Local == "name" || a.Name.Local == "key" {
			name = a.Value
		}
	}
	for _, a := range attrs {
		switch a.Name.Local {
		case "connectionString", "value":
			above := ""
			if len(path) > 1 {
				above = path[len(path)-2]
			}
			all = append(all, setting{under(above, orText(name, a.Name.Local)), a.Value})
		case "name", "key":
		default:
			all = append(all, setting{under(strings.Join(path, "."), a.Name.Local), a.Value})
		}
	}
	return all
}
