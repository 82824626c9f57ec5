package network

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
)

// startTLS says on c what the server has to hear before it speaks TLS.
func startTLS(c net.Conn, kind string) error {
	switch kind {
	case "smtp":
		return startSMTP(c)
	case "ldap":
		return startLDAP(c)
	case "postgres":
		return startPostgres(c)
	}
	return nil
}

func startSMTP(c net.Conn) error {
	t := textproto.NewConn(c)
	for _, say := range []struct {
		line string
		code int
	}{{"", 220}, {"EHLO localhost", 250}, {"STARTTLS", 220}} {
		if say.line != "" {
			if err := t.PrintfLine("%s", say.line); err != nil {
				return err
			}
		}
		if _, _, err := t.ReadResponse(say.code); err != nil {
			return fmt.Errorf("smtp server: %w", err)
		}
	}
	return nil
}

// startPostgres sends an SSLRequest: its length and the code 80877103.
func startPostgres(c net.Conn) error {
	b := binary.BigEndian.AppendUint32(nil, 8)
	if _, err := c.Write(binary.BigEndian.AppendUint32(b, 80877103)); err != nil {
		return err
	}
	var said [1]byte
	if _, err := io.ReadFull(c, said[:]); err != nil {
		return err
	}
	if said[0] != 'S' {
		return errors.New("the postgres server has no TLS")
	}
	return nil
}

// startLDAP sends an extended request with the OID of StartTLS (RFC 4511, 4.14) and
// reads the response, in which the result code comes first.
func startLDAP(c net.Conn) error {
	const oid = "1.3.6.1.4.1.1466.20037"
	request := append([]byte{0x80, byte(len(oid))}, oid...)
	request = append([]byte{0x77, byte(len(request))}, request...)
	request = append([]byte{0x02, 0x01, 0x01}, request...)
	if _, err := c.Write(append([]byte{0x30, byte(len(request))}, request...)); err != nil {
		return err
	}
	message, err := readBER(bufio.NewReaderSize(c, 1)) // not a byte more: TLS comes next
	if err != nil {
		return err
	}
	_, result, ok := strings.Cut(string(message), "\x0a\x01")
	if !ok || result == "" {
		return errors.New("the ldap server's answer is not understood")
	}
	if result[0] != 0 {
		return fmt.Errorf("the ldap server does not start TLS: result code %d", result[0])
	}
	return nil
}

// readBER reads one value with its tag and returns what is in it.
func readBER(r io.ByteReader) ([]byte, error) {
	if _, err := r.ReadByte(); err != nil {
		return nil, err
	}
	n, err := r.ReadByte()
	length := int(n)
	if n >= 0x80 && err == nil {
		length = 0
		for range n & 0x7f {
			var b byte
			if b, err = r.ReadByte(); err != nil {
				return nil, err
			}
			length = length<<8 | int(b)
			if length > 1<<16 {
				return nil, errors.New("the answer is too long")
			}
		}
	}
	message := make([]byte, 0, length)
	for range length {
		b, err := r.ReadByte()
		if err != nil {
			return nil, err
		}
		message = append(message, b)
	}
	return message, err
}
