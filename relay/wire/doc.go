// Package wire defines every byte that crosses QUIC between agents and a relay:
// messages, framing, limits, identities and enrolment tokens.
//
// A stream carries frames: a uvarint length and that many bytes of protobuf.
// The messages stand in wire.proto, who says what when in docs/protocol.md.
package wire

//go:generate go tool -modfile=../../.tools/go.mod buf generate
