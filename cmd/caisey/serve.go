package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"

	"github.com/caisey/caisey/relay"
	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
	"github.com/caisey/caisey/relay/quicrelay"
	"github.com/caisey/caisey/relay/sshd"
	"github.com/caisey/caisey/relay/wire"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/search"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
)

// serveConfig says where a relay keeps its things and where it listens.
type serveConfig struct {
	Data string // directory
	QUIC string // UDP address for agents
	SSH  string // TCP address for technicians
	// Name is the host that enrolment tokens name; if empty, that of QUIC.
	Name      string
	AdminKeys []string // public keys, or files of them
	UserCAs   []string // the same, of authorities whose user certificates count
	Keep      relay.KeepPolicy
	// ApprovalTTL is relay.Config's.
	ApprovalTTL time.Duration
	Webhook     string // told that a step waits for approval; empty for none
	Log         *slog.Logger
}

// A server is a relay with its doors.
type server struct {
	catalogue *fleet.Catalogue
	relay     *relay.Relay
	quicAddr  net.Addr
	sshAddr   net.Addr
	hostKey   ssh.PublicKey
	index     *search.Index
	signer    note.Signer    // of the records' checkpoints
	recordKey string         // that proves them
	closers   []func() error // in the order in which they were opened
}

// Files of a relay's data directory.
const (
	relayKeyFile = "relay.key"
	hostKeyFile  = "ssh_host.key"
	sessionsDir  = "sessions"
	fleetDir     = "fleet"
	indexFile    = "search.index"   // derived from the records: it may be deleted while no relay runs
	listingFile  = "sessions.index" // the same
	resumeDir    = "resume"         // how far each agent has come; losing it loses an alarm
	fleetClient  = "fleet"          // the fleet's log is kept like a session of this name
)

// serve opens a data directory and starts to listen.
func serve(ctx context.Context, cfg serveConfig) (_ *server, err error) {
	s := &server{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := prepare(cfg.Data); err != nil {
		return nil, err
	}
	identity, err := s.loadKeys(cfg)
	if err != nil {
		return nil, err
	}
	records, err := sqlitefile.OpenDir(filepath.Join(cfg.Data, sessionsDir), s.recordConfig(cfg))
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, records.Close)
	if err := s.openFleet(ctx, cfg); err != nil {
		return nil, err
	}
	if s.index, err = search.Open(filepath.Join(cfg.Data, indexFile), search.Config{Logf: s.recordConfig(cfg).Logf}); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, s.index.Close)
	if err := s.startRelay(ctx, cfg, identity, records); err != nil {
		return nil, err
	}
	return s, s.startSSH(cfg)
}

// prepare makes the data directory, and refuses one that is somebody else's.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read data directory: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, sessionsDir)); len(entries) > 0 && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("data directory %s is not Caisey's: it holds %.40q and no %s; choose an empty one",
			dir, entries[0].Name(), sessionsDir)
	}
	if err := os.MkdirAll(filepath.Join(dir, sessionsDir), 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	return nil
}

func (s *server) openFleet(ctx context.Context, cfg serveConfig) error {
	dir, err := sqlitefile.OpenDir(filepath.Join(cfg.Data, fleetDir), s.recordConfig(cfg))
	if err != nil {
		return err
	}
	s.closers = append(s.closers, dir.Close)
	log, err := openOnly(ctx, dir)
	if err != nil {
		return fmt.Errorf("open fleet log: %w", err)
	}
	s.closers = append(s.closers, log.Close)
	if s.catalogue, err = fleet.Open(ctx, log, fleet.Config{}); err != nil {
		return err
	}
	for _, key := range cfg.AdminKeys {
		if err := addAdmin(ctx, s.catalogue, key); err != nil {
			return err
		}
	}
	return nil
}

// openOnly opens the one log in dir, made if there is none.
func openOnly(ctx context.Context, dir *sqlitefile.Dir) (sessionlog.Log, error) {
	entries, err := dir.List()
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return dir.Create(ctx, fleetClient, sessionlog.NewSessionID())
	}
	return dir.Open(ctx, entries[0].Client, entries[0].ID)
}

// addAdmin lets in the holder of a key, given as a line or as a file. A key that
// is known already changes nothing.
func addAdmin(ctx context.Context, c *fleet.Catalogue, key string) error {
	if b, err := os.ReadFile(key); err == nil {
		key = string(b)
	}
	pub, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(key))
	if err != nil {
		return fmt.Errorf("admin key %.60q is neither a file nor an SSH public key", key)
	}
	if _, ok := c.TechnicianByKey(ssh.FingerprintSHA256(pub)); ok {
		return nil
	}
	return c.AddTechnician(ctx, sessionlog.Relay, console.AddTechnician{
		Name: adminName(c, comment), Role: console.RoleAdmin, Key: key,
	})
}

// adminName picks a name from a key's comment, "ana@laptop", or a plain one.
func adminName(c *fleet.Catalogue, comment string) string {
	name, _, _ := strings.Cut(strings.ToLower(comment), "@")
	if fleet.CheckName("a technician", name) != nil {
		name = "admin"
	}
	for base, n := name, 2; ; n++ {
		if _, taken := c.Technician(name); !taken {
			return name
		}
		name = fmt.Sprintf("%s%d", base, n)
	}
}

func (s *server) startRelay(ctx context.Context, cfg serveConfig, id *wire.Identity, dir *sqlitefile.Dir) error {
	conn, err := listenUDP(cfg.QUIC)
	if err != nil {
		return err
	}
	s.quicAddr = conn.LocalAddr()
	addr := advertised(cfg.Name, conn.LocalAddr())
	s.relay, err = relay.New(ctx, relay.Config{
		Fleet: s.catalogue, Records: records{dir}, Index: s.index, RecordKey: s.recordKey, Log: cfg.Log,
		Keep: cfg.Keep, ApprovalTTL: cfg.ApprovalTTL, Webhook: cfg.Webhook, Listing: filepath.Join(cfg.Data, listingFile),
		Mint: func() (string, [32]byte) {
			t := wire.NewToken(id.Public(), addr)
			return t.String(), t.Hash()
		},
	})
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	s.closers = append(s.closers, func() error { s.relay.Close(); return nil })
	quic, err := quicrelay.Serve(quicrelay.Config{Relay: s.relay, Fleet: s.catalogue, Identity: id, Conn: conn, Log: cfg.Log, Resume: filepath.Join(cfg.Data, resumeDir)})
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	s.closers = append(s.closers, quic.Close)
	return nil
}

func listenUDP(addr string) (net.PacketConn, error) {
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for agents on %s: %w; choose another address", addr, err)
	}
	return conn, nil
}

// advertised is where agents dial: name if there is one, with the port that is
// listened on.
func advertised(name string, addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	switch ip := net.ParseIP(host); {
	case name != "":
		host = name
	case ip != nil && ip.IsUnspecified():
		if host, err = os.Hostname(); err != nil {
			host = "localhost"
		}
	}
	return net.JoinHostPort(host, port)
}

func (s *server) startSSH(cfg serveConfig) error {
	host, err := wire.LoadIdentity(filepath.Join(cfg.Data, hostKeyFile))
	if err != nil {
		return err
	}
	if s.hostKey, err = ssh.NewPublicKey(host.Public()); err != nil {
		return fmt.Errorf("ssh host key: %w", err)
	}
	cas, err := userCAs(cfg.UserCAs)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", cfg.SSH)
	if err != nil {
		return fmt.Errorf("listen for technicians on %s: %w; choose another address", cfg.SSH, err)
	}
	s.sshAddr = l.Addr()
	door, err := sshd.New(sshd.Config{
		HostKey: host.Private(), Technicians: doorkeeper{s}, Version: version, Log: cfg.Log,
		OpenRecord: openForeign, RelayKey: s.recordKey, UserCAs: cas,
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	served := make(chan error, 1)
	go func() { served <- door.Serve(l) }()
	s.closers = append(s.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), doorTime)
		defer cancel()
		return errors.Join(door.Shutdown(ctx), <-served)
	})
	return nil
}

// doorTime is how long technicians' terminals have to be restored at the end.
const doorTime = 5 * time.Second

// Close closes all that was opened, the newest first: the doors, then the
// agents, then the sessions, then the records.
func (s *server) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// records presents a records directory to the relay.
type records struct{ *sqlitefile.Dir }

// List implements relay.Records.
func (r records) List() ([]relay.RecordName, error) {
	entries, err := r.Dir.List()
	if err != nil {
		return nil, err
	}
	names := make([]relay.RecordName, len(entries))
	for i, e := range entries {
		names[i] = relay.RecordName{
			Client: e.Client, ID: e.ID, Archived: e.Archived,
			Stamp: fmt.Sprintf("%s %d %d", filepath.Base(e.Path), e.Size, e.Modified.UnixNano()),
		}
	}
	return names, nil
}
