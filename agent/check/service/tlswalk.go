//go:build unix

package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A found is a certificate in a file.
type found struct {
	path    string
	cert    *x509.Certificate
	changed time.Time
	// key says that its private key is in the same file or beside it.
	key   bool
	bound []string
}

func (f found) thumbprint() string {
	sum := sha256.Sum256(f.cert.Raw)
	return hex.EncodeToString(sum[:])
}

// A tlsWalk collects certificates and who names them.
type tlsWalk struct {
	found  []found
	keys   map[string]bool     // files with a private key
	names  map[string][]string // configuration files by the file that they name
	denied []string
	files  int
	seen   map[string]bool
}

func newTLSWalk() *tlsWalk {
	return &tlsWalk{keys: map[string]bool{}, names: map[string][]string{}, seen: map[string]bool{}}
}

// maxTLSFile is the most bytes of a file that is looked into: larger ones are bundles
// of authorities or no configuration.
const maxTLSFile = 1 << 20

// maxChain is the most certificates of a chain: a file with more is a bundle of
// authorities, which expire without anybody here noticing.
const maxChain = 10

// walk looks below path. A path that is not there is an error only if must.
func (w *tlsWalk) walk(ctx context.Context, path string, must bool) error {
	return filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission):
			w.denied = append(w.denied, name)
			return nil
		case err != nil && name == path && must:
			return err
		case err != nil || d.IsDir():
			return ctx.Err()
		}
		if w.files++; w.files > maxFiles {
			return fs.SkipAll
		}
		w.file(name)
		return ctx.Err()
	})
}

// file looks into one file, or what a link leads to.
func (w *tlsWalk) file(name string) {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxTLSFile || info.Size() == 0 {
		return
	}
	real, err := filepath.EvalSymlinks(name)
	if err != nil || w.seen[real] {
		return
	}
	w.seen[real] = true
	content, err := os.ReadFile(real)
	switch {
	case errors.Is(err, fs.ErrPermission):
		w.denied = append(w.denied, name)
		return
	case err != nil:
		return
	}
	if certs := w.pem(real, content); len(certs) > 0 {
		w.add(name, info.ModTime(), certs)
		return
	}
	if slices.Contains([]string{".cer", ".der", ".crt"}, strings.ToLower(filepath.Ext(name))) {
		if c, err := x509.ParseCertificate(content); err == nil {
			w.add(name, info.ModTime(), []*x509.Certificate{c})
			return
		}
	}
	w.config(name, content)
}

func (w *tlsWalk) add(name string, changed time.Time, certs []*x509.Certificate) {
	if len(certs) > maxChain {
		return
	}
	for i, c := range certs {
		w.found = append(w.found, found{path: name, cert: c, changed: changed, key: i == 0 && w.keyBeside(name)})
	}
}

// pem returns the certificates among the blocks, and notes whether there is a key.
func (w *tlsWalk) pem(name string, content []byte) []*x509.Certificate {
	var certs []*x509.Certificate
	for bytes.Contains(content, []byte("-----BEGIN ")) {
		var b *pem.Block
		if b, content = pem.Decode(content); b == nil {
			break
		}
		switch {
		case strings.HasSuffix(b.Type, "PRIVATE KEY"):
			w.keys[name] = true
		case b.Type == "CERTIFICATE" || b.Type == "TRUSTED CERTIFICATE":
			if c, err := x509.ParseCertificate(b.Bytes); err == nil {
				certs = append(certs, c)
			}
		}
	}
	return certs
}

// keyBeside reports whether a file with the certificate's name, or the usual name of a
// key, stands beside it or holds it.
func (w *tlsWalk) keyBeside(name string) bool {
	real, err := filepath.EvalSymlinks(name)
	if err == nil && w.keys[real] {
		return true
	}
	dir, base := filepath.Split(name)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	for _, key := range []string{base + ".key", base + "-key.pem", base + ".key.pem", "privkey.pem"} {
		if _, err := os.Stat(filepath.Join(dir, key)); err == nil && key != filepath.Base(name) {
			return key != "privkey.pem" || slices.Contains([]string{"cert", "fullchain"}, base)
		}
	}
	return false
}

// certLine finds the file that a line of a server's configuration names: nginx,
// Apache, HAProxy, PostgreSQL, MySQL, Postfix, Dovecot, OpenLDAP, Samba.
var certLine = regexp.MustCompile(`(?im)^[ \t]*(?:ssl_certificate|SSLCertificateFile|ssl_cert_file|ssl[-_]cert|smtpd_tls_cert_file|smtpd_tls_chain_files|ssl_server_cert_file|olcTLSCertificateFile:|TLSCertificateFile|tls certfile|bind\b.*?\bcrt)[ \t]*[= \t][ \t]*['"<]?([^\s'";#]+)`)

// config notes which files a configuration names.
func (w *tlsWalk) config(name string, content []byte) {
	if bytes.IndexByte(content[:min(512, len(content))], 0) >= 0 {
		return
	}
	for _, m := range certLine.FindAllSubmatch(content, -1) {
		path := string(m[1])
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(name), path)
		}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		w.names[path] = append(w.names[path], name)
	}
}

// bind tells each certificate who names its file, or its directory.
func (w *tlsWalk) bind() {
	for i, f := range w.found {
		real, err := filepath.EvalSymlinks(f.path)
		if err != nil {
			real = f.path
		}
		w.found[i].bound = slices.Concat(w.names[real], w.names[filepath.Dir(real)])
		slices.Sort(w.found[i].bound)
		w.found[i].bound = slices.Compact(w.found[i].bound)
	}
}
