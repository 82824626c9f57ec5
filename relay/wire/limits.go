package wire

import (
	"time"

	"github.com/quic-go/quic-go"
)

// The protocols that a connection can be for. The number is the major version:
// two sides that differ in it do not get past the TLS handshake.
const (
	ProtoAgent  = "caisey-agent/1"  // an enrolled agent
	ProtoEnroll = "caisey-enroll/1" // a machine with a token
)

// Limits of the protocol. Each has a test.
const (
	// MaxFrame is the most bytes of one message.
	MaxFrame = 1 << 20
	// MaxOutput is the most data bytes of one Output.
	MaxOutput = 32 << 10
	// MaxCommand is the most bytes of a Start's command. Linux takes an argument
	// of 128 KiB with its terminating zero.
	MaxCommand = 127 << 10
	// MaxStreams is how many steps an agent runs at once.
	MaxStreams = 256
	// MaxSteps is how many steps a Hello may list.
	MaxSteps = 4096
	// MaxCatalogue is the most bytes of a Catalogue's specs.
	MaxCatalogue = 512 << 10
	// MaxResume is the most bytes that a Welcome gives to be shown in the next Hello.
	MaxResume = 64
	// ControlRate is how many messages a second an agent may say on its control stream
	// once it is welcome, and ControlBurst how many at once.
	ControlRate, ControlBurst = 4, 32
	// HelloTimeout is how long a relay waits for the first message, and an agent
	// for the answer to it.
	HelloTimeout = 5 * time.Second
	// HeartbeatEvery is the time between an agent's heartbeats.
	HeartbeatEvery = 25 * time.Second
	// HeartbeatPadding makes a heartbeat long enough that a relay that has
	// forgotten the connection answers it with a stateless reset: quic-go stays
	// silent on packets of 42 bytes and less.
	HeartbeatPadding = 32
	// IdleTimeout is how long a silent connection lives: 2.6 heartbeats.
	IdleTimeout = 65 * time.Second
)

// Application error codes: why one side closed the connection.
const (
	CodeBye      quic.ApplicationErrorCode = 0 // the sender goes away
	CodeInvalid  quic.ApplicationErrorCode = 1 // the other side broke the protocol, or is silent
	CodeDenied   quic.ApplicationErrorCode = 2 // not enrolled here, or enrolment refused
	CodeReplaced quic.ApplicationErrorCode = 3 // a newer connection of the endpoint took over
)

// Config returns the QUIC settings of both sides.
func Config() *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:  5 * time.Second,
		MaxIdleTimeout:        IdleTimeout,
		MaxIncomingStreams:    MaxStreams,
		MaxIncomingUniStreams: -1,
		// The heartbeat on the control stream keeps the path open.
		KeepAlivePeriod: 0,
	}
}
