package database

import (
	"regexp"
	"strings"
)

// maxStatement is the most bytes of a statement that is shown.
const maxStatement = 400

// masked finds passwords in statements: a word that announces one, and the literal or
// the value after it. A literal may be cut off at the end, since servers keep only the
// beginning of a statement. It rather takes too much than too little.
var masked = regexp.MustCompile(`(?is)` +
	`([\w]*(?:password|passwd|pwd|secret|passphrase)\b["\]` + "`" + `]?(?:\s+for\s+[^\s=]+)?` +
	`|identified\s+by(?:\s+password)?` +
	`|identified\s+(?:via|with)\s+[\w"'` + "`" + `]+\s+(?:as|by|using)(?:\s+password)?)` +
	`(\s*(?:=>|:=|=|\(|,|\bto\b|\bis\b)?\s*(?:password\s*\(\s*)?)` +
	`(?:(?:n|e|x|b|u&)?(?:'{2,}[^']+(?:'+|$)|'(?:[^'\\]|''|\\.)*(?:'|\\?$))` +
	`|"(?:[^"\\]|""|\\.)*(?:"|\\?$)` +
	`|\$\w*\$[^$]*(?:\$\w*\$|$)` +
	`|0x[0-9a-f]+)`)

// maskedBare finds passwords without quotes in connection strings: password=abc.
var maskedBare = regexp.MustCompile(`(?i)(\w*(?:password|passwd|pwd|secret|passphrase)\s*=\s*)[^\s'",;)$]+`)

// maskedURL finds passwords in URLs: scheme://user:password@host.
var maskedURL = regexp.MustCompile(`(://[^\s:/@']+:)[^\s@']+@`)

// stated returns a statement as a cell: in one line, without passwords, bounded.
func stated(sql *string) any {
	if sql == nil || *sql == "" {
		return nil
	}
	return statement(*sql)
}

func statement(sql string) string {
	sql = strings.ToValidUTF8(sql, "\ufffd")
	sql = masked.ReplaceAllString(sql, "${1}${2}'***'")
	sql = maskedBare.ReplaceAllString(sql, "${1}***")
	sql = maskedURL.ReplaceAllString(sql, "${1}***@")
	sql = strings.Join(strings.Fields(sql), " ")
	if len(sql) > maxStatement {
		sql = strings.ToValidUTF8(sql[:maxStatement], "") + "…"
	}
	return sql
}
