package directory

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/caisey/caisey/agent/check"
	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/keytab"
)

// realmConfig is what a client has to know of a realm. Without KDCs, DNS has them.
func realmConfig(realm string, kdcs []string) (*config.Config, error) {
	if realm == "" || strings.ContainsAny(realm+strings.Join(kdcs, ""), "\r\n{}= ") {
		return nil, check.Unknown("%q is not a realm with KDCs", realm)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[libdefaults]\n default_realm = %s\n dns_lookup_kdc = true\n dns_lookup_realm = false\n udp_preference_limit = 1\n noaddresses = true\n[realms]\n %s = {\n", realm, realm)
	for _, k := range kdcs {
		fmt.Fprintf(&b, "  kdc = %s\n", withPort(k))
	}
	b.WriteString(" }\n")
	return config.NewFromString(b.String())
}

// withPort adds Kerberos' port to an address that has none.
func withPort(kdc string) string {
	if _, _, err := net.SplitHostPort(kdc); err == nil {
		return kdc
	}
	return net.JoinHostPort(kdc, "88")
}

// kerberosClient makes a client of the secret: PRINCIPAL, REALM, and KEYTAB, a path,
// or PASSWORD.
func kerberosClient(secret check.Secret, name string, kdcs []string) (*client.Client, error) {
	user, realm, _ := strings.Cut(secret["PRINCIPAL"], "@")
	if secret["REALM"] != "" {
		realm = secret["REALM"]
	}
	if user == "" || realm == "" {
		return nil, check.Unknown("the secret %s has no PRINCIPAL or no REALM", name)
	}
	c, err := realmConfig(realm, kdcs)
	if err != nil {
		return nil, err
	}
	if secret["PASSWORD"] != "" {
		return client.NewWithPassword(user, realm, secret["PASSWORD"], c, client.DisablePAFXFAST(true)), nil
	}
	b, err := os.ReadFile(secret["KEYTAB"])
	if err != nil {
		return nil, check.Unknown("the keytab of secret %s cannot be read: %v", name, err)
	}
	kt := keytab.New()
	if err := kt.Unmarshal(b); err != nil {
		return nil, check.Unknown("the keytab of secret %s is not one: %v", name, err)
	}
	return client.NewWithKeytab(user, realm, kt, c, client.DisablePAFXFAST(true)), nil
}

// within returns what do returns, or the cause of ctx's end. The library behind do
// knows no context: it goes on in the background until its own time limits, of 5 s for
// each KDC.
func within(ctx context.Context, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// errorCode finds the number of Kerberos' error in one of the library, which keeps it
// as text alone: "(7) KDC_ERR_S_PRINCIPAL_UNKNOWN …".
func errorCode(err error) (int32, bool) {
	m := regexp.MustCompile(`\((\d+)\) K[A-Z]+_`).FindStringSubmatch(err.Error())
	if m == nil {
		return 0, false
	}
	n, bad := strconv.ParseInt(m[1], 10, 32)
	return int32(n), bad == nil
}

// meaningOf says an error of Kerberos for people.
func meaningOf(code int32) string {
	switch code {
	case errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN:
		return "there is no such user"
	case errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN:
		return "there is no such service principal, or it is there twice"
	case errorcode.KDC_ERR_ETYPE_NOSUPP:
		return "the KDC and the account share no encryption type"
	case errorcode.KDC_ERR_CLIENT_REVOKED:
		return "the account is disabled or locked"
	case errorcode.KDC_ERR_KEY_EXPIRED:
		return "the password has expired"
	case errorcode.KDC_ERR_PREAUTH_FAILED:
		return "the password, or the key in the keytab, is wrong"
	case errorcode.KRB_AP_ERR_SKEW:
		return "the clocks are too far apart"
	case errorcode.KDC_ERR_WRONG_REALM:
		return "the KDC does not serve this realm"
	}
	return strings.TrimSpace(errorcode.Lookup(code))
}
