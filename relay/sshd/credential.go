package sshd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// maxLifetime is the longest that a certificate may be valid.
	maxLifetime = 24 * time.Hour
	// maxSkew is how far an authority's clock may be ahead of ours, and how much
	// longer a certificate may be for having been dated back.
	maxSkew = 5 * time.Minute
)

// A Credential is what somebody is known by once they proved it: a plain key, or
// a certificate that a trusted authority gave to the holder of a key.
type Credential struct {
	// Print is the fingerprint of the key that was proved, "SHA256:…".
	Print string
	// Name is the technician whom a certificate names. It is empty for a plain key:
	// whose that is, the catalogue knows.
	Name string
	// Serial is the certificate's, and Authority the fingerprint of the key that
	// signed it.
	Serial    uint64
	Authority string
	// Until is when the certificate ends; zero for a plain key.
	Until time.Time
}

// String returns what records call the credential: the key's fingerprint, and by
// which certificate of whom it counts, if it does by one.
func (c Credential) String() string {
	if c.Name == "" {
		return c.Print
	}
	return fmt.Sprintf("%s (certificate %d of %s)", c.Print, c.Serial, c.Authority)
}

// authorities knows whose certificates count.
type authorities map[string]bool // by the key as it is on the wire

// newAuthorities returns those that have these keys.
func newAuthorities(keys []ssh.PublicKey) (authorities, error) {
	a := authorities{}
	for _, key := range keys {
		if !allowedType(key) {
			return nil, fmt.Errorf("trust user CA %s: keys of type %s are not accepted, only ed25519", ssh.FingerprintSHA256(key), key.Type())
		}
		a[string(key.Marshal())] = true
	}
	return a, nil
}

func (a authorities) has(key ssh.PublicKey) bool { return a[string(key.Marshal())] }

var (
	errKeyType   = errors.New("only ed25519 keys are accepted")
	errAuthority = errors.New("the certificate is of no authority that is trusted here")
)

// credential returns what key makes of whoever proves it at now, from remote. It
// says nothing of whether they are let in.
func (a authorities) credential(key ssh.PublicKey, remote net.Addr, now time.Time) (Credential, error) {
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		if !allowedType(key) {
			return Credential{}, errKeyType
		}
		if a.has(key) {
			return Credential{}, errors.New("an authority's key is nobody's")
		}
		return Credential{Print: ssh.FingerprintSHA256(key)}, nil
	}
	if !a.has(cert.SignatureKey) {
		return Credential{}, errAuthority
	}
	if err := a.check(cert, remote, now); err != nil {
		return Credential{}, fmt.Errorf("certificate %d: %w", cert.Serial, err)
	}
	return Credential{
		Print: ssh.FingerprintSHA256(cert.Key), Name: cert.ValidPrincipals[0], Serial: cert.Serial,
		Authority: ssh.FingerprintSHA256(cert.SignatureKey), Until: time.Unix(int64(cert.ValidBefore), 0),
	}, nil
}

// check holds a certificate against our rules, which are stricter than the
// library's, and then against the library's, which has the signature.
func (a authorities) check(cert *ssh.Certificate, remote net.Addr, now time.Time) error {
	switch {
	case cert.CertType != ssh.UserCert:
		return errors.New("it is not a user's")
	case !allowedType(cert.Key) || !allowedType(cert.SignatureKey):
		return errKeyType // a certificate of a certificate has such a type, too
	case a.has(cert.Key):
		return errors.New("it is for the key of an authority")
	case len(cert.ValidPrincipals) != 1:
		return fmt.Errorf("it names %d principals, not exactly one", len(cert.ValidPrincipals))
	case !principal.MatchString(cert.ValidPrincipals[0]):
		return errors.New("its principal cannot be a technician's name")
	}
	for option, value := range cert.CriticalOptions {
		if option != "source-address" {
			return fmt.Errorf("it has the critical option %.40q, which is not known here", option)
		}
		if err := within(value, remote); err != nil {
			return err
		}
	}
	at, err := checkTime(cert, now)
	if err != nil {
		return err
	}
	checker := ssh.CertChecker{IsUserAuthority: a.has, Clock: func() time.Time { return at }}
	_, err = checker.Authenticate(asPrincipal{name: cert.ValidPrincipals[0]}, cert)
	return err
}

// principal is what a technician's name can be.
var principal = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)

// checkTime reports whether cert is valid at now, and returns a time within its
// validity that is now, or no more than maxSkew after it.
func checkTime(cert *ssh.Certificate, now time.Time) (time.Time, error) {
	const most = 1 << 40 // seconds; beyond all calendars and far from overflowing
	if cert.ValidAfter > most || cert.ValidBefore > most || cert.ValidBefore <= cert.ValidAfter {
		return now, errors.New("it has no end, or none after its beginning")
	}
	from, until := time.Unix(int64(cert.ValidAfter), 0), time.Unix(int64(cert.ValidBefore), 0)
	switch {
	case until.Sub(from) > maxLifetime+maxSkew:
		return now, fmt.Errorf("it is valid for more than %v", maxLifetime)
	case !now.Before(until):
		return now, errors.New("it has expired")
	case from.Sub(now) > maxSkew:
		return now, errors.New("it is not valid yet")
	case from.After(now):
		return from, nil
	}
	return now, nil
}

// within reports whether remote is in a list of addresses and networks. A list
// that cannot be read holds nobody.
func within(list string, remote net.Addr) error {
	ap, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return fmt.Errorf("it is bound to %.80q, and %.80q is no address", list, remote.String())
	}
	addr, inside := ap.Addr().Unmap().WithZone(""), false
	for _, entry := range strings.Split(list, ",") {
		var network netip.Prefix
		if alone, err := netip.ParseAddr(entry); err == nil {
			network = netip.PrefixFrom(alone, alone.BitLen())
		} else if network, err = netip.ParsePrefix(entry); err != nil {
			return fmt.Errorf("it is bound to %.80q, which is no list of addresses", list)
		}
		inside = inside || network.Contains(addr)
	}
	if !inside {
		return fmt.Errorf("it is bound to %.80q, and used from %s", list, addr)
	}
	return nil
}

// asPrincipal shows a certificate's principal as the name somebody logs in by: that
// name means nothing here, and who somebody is does not hang on it.
type asPrincipal struct {
	ssh.ConnMetadata // nil: nothing but the name is asked for
	name             string
}

// User implements ssh.ConnMetadata.
func (p asPrincipal) User() string { return p.name }
