package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// replication asks for all channels as MariaDB has it, and else as MySQL has it.
func (m mysqlServer) replication(ctx context.Context) error {
	var err error
	for _, query := range []string{"SHOW ALL SLAVES STATUS", "SHOW REPLICA STATUS", "SHOW SLAVE STATUS"} {
		err = m.each(ctx, query, m.channel)
		var said *mysql.MySQLError
		if !errors.As(err, &said) || said.Number != 1064 { // no syntax error: it is this server's
			break
		}
	}
	return err
}

// channel tells one row, whose columns depend on the server and its version.
func (m mysqlServer) channel(rows *sql.Rows) error {
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	cells, into := make([]*string, len(names)), make([]any, len(names))
	for i := range cells {
		into[i] = &cells[i]
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	get := func(any ...string) *string {
		for i, n := range names {
			for _, a := range any {
				if strings.EqualFold(n, a) {
					return cells[i]
				}
			}
		}
		return nil
	}
	m.tellChannel(get)
	return nil
}

func (m mysqlServer) tellChannel(get func(...string) *string) {
	channel, host, port := get("Connection_name", "Channel_Name"), value(get("Master_Host", "Source_Host")), value(get("Master_Port", "Source_Port"))
	io, sqls := get("Slave_IO_Running", "Replica_IO_Running"), get("Slave_SQL_Running", "Replica_SQL_Running")
	source := net.JoinHostPort(host, port)
	var lag *float64
	if f, err := strconv.ParseFloat(value(get("Seconds_Behind_Master", "Seconds_Behind_Source")), 64); err == nil {
		lag = &f
	}
	wrong := value(get("Last_SQL_Error"))
	if wrong == "" {
		wrong = value(get("Last_IO_Error"))
	}
	row := m.out.Row(cell(channel), source, cell(io), cell(sqls), span(lag), stated(&wrong))
	if row >= 0 {
		m.out.Edge(check.Edge{Kind: shape.ReplicatesBy, To: source, Label: "mysql", Table: "replication", Row: row})
	}
	f := check.Finding{Severity: check.Crit, Table: "replication", Rows: []int{row}}
	limit := m.in.Duration("lag")
	switch {
	case value(io) != "Yes" || value(sqls) != "Yes":
		f.Text = fmt.Sprintf("replication from %s does not run: IO %s, SQL %s", source, text(io), text(sqls))
	case lag != nil && seconds(*lag) > limit:
		f.Severity, f.Param, f.Value, f.Threshold, f.Unit = check.Warn, "lag", *lag, limit.Seconds(), "s"
		f.Text = fmt.Sprintf("replication from %s lags by %s", source, shape.Span(*lag))
	default:
		return
	}
	m.out.Find(f)
}
