// One pool of database/sql, and goroutines that use it as the harness says. ../README.md has the protocol.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	selectRow = "SELECT price FROM threadwise_bench_item WHERE id = ?"
	rows      = 10_000
)

// The version of the MySQL driver. The build sets it.
var driverVersion = "unknown"

// A connection without a server. It has what the pool calls, and all of it does nothing.
type fake struct{}

func (fake) Prepare(string) (driver.Stmt, error) { return nil, errors.New("a fake has no statements") }
func (fake) Close() error                        { return nil }
func (fake) Begin() (driver.Tx, error)           { return nil, errors.New("a fake has no transactions") }

type fakeConnector struct{}

func (fakeConnector) Connect(context.Context) (driver.Conn, error) { return &fake{}, nil }
func (fakeConnector) Driver() driver.Driver                        { return nil }

// A connector that counts the connections it opens.
type counted struct {
	driver.Connector
	opened int64
}

func (c *counted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err == nil {
		atomic.AddInt64(&c.opened, 1)
	}
	return conn, err
}

// The figures of one goroutine in one round.
type sample struct {
	Ops     int64   `json:"ops"`
	Errors  int64   `json:"errors"`
	BegunNs int64   `json:"begun_ns"`
	EndedNs int64   `json:"ended_ns"`
	WaitsNs []int64 `json:"waits_ns"`
}

// The goroutines, from the first round to the last. They wait between rounds.
type crew struct {
	db      *sql.DB
	use     func(*sql.Conn) error
	untimed int
	pause   time.Duration
	start   []chan struct{}
	samples []sample
	ended   sync.WaitGroup
	begun   time.Time
	isOver  atomic.Bool
	// After an outage, the first success ends the round.
	isBack     atomic.Bool
	lock       sync.Mutex
	firstError *string
}

func (c *crew) live(number int) {
	for range c.start[number] {
		c.samples[number] = c.round()
		c.ended.Done()
	}
}

func (c *crew) round() sample {
	waits := []int64{}
	s := sample{BegunNs: time.Since(c.begun).Nanoseconds()}
	for s.Ops+s.Errors == 0 || !c.isOver.Load() {
		asked := time.Now()
		conn, err := c.db.Conn(context.Background())
		if err == nil {
			waits = append(waits, time.Since(asked).Nanoseconds())
			err = c.spend(conn)
		}
		if !c.count(&s, err) {
			continue
		}
		if c.isBack.Load() {
			c.tellServed()
		}
		for n := 0; n < c.untimed; n++ {
			conn, err := c.db.Conn(context.Background())
			if err == nil {
				err = c.spend(conn)
			}
			if !c.count(&s, err) {
				break
			}
		}
	}
	s.EndedNs = time.Since(c.begun).Nanoseconds()
	s.WaitsNs = waits
	return s
}

func (c *crew) spend(conn *sql.Conn) error {
	err := c.use(conn)
	if closed := conn.Close(); err == nil {
		err = closed
	}
	return err
}

// Counts an operation, and pauses after an error.
func (c *crew) count(s *sample, err error) bool {
	if err == nil {
		s.Ops++
		return true
	}
	s.Errors++
	c.lock.Lock()
	if c.firstError == nil {
		text := err.Error()
		c.firstError = &text
	}
	c.lock.Unlock()
	time.Sleep(c.pause)
	return false
}

func (c *crew) tellServed() {
	c.lock.Lock()
	defer c.lock.Unlock()
	if !c.isOver.Load() {
		c.isOver.Store(true)
		say(map[string]string{"mark": "served"})
	}
}

func (c *crew) begin(isOver bool) {
	c.isOver.Store(isOver)
	c.isBack.Store(false)
	c.firstError = nil
	c.ended.Add(len(c.start))
	c.begun = time.Now()
	for _, start := range c.start {
		start <- struct{}{}
	}
}

func (c *crew) finish(opened int64) {
	c.ended.Wait()
	say(map[string]any{"threads": c.samples, "first_error": c.firstError, "opened": opened})
}

func say(message any) {
	line, err := json.Marshal(message)
	must(err)
	_, err = os.Stdout.Write(append(line, '\n'))
	must(err)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// What a goroutine does with a connection.
func operation(args map[string]string) func(*sql.Conn) error {
	hold := time.Duration(number(args["hold_us"])) * time.Microsecond
	switch {
	case args["work"] == "select":
		return func(conn *sql.Conn) error {
			var price int
			row := conn.QueryRowContext(context.Background(), selectRow, 1+rand.Intn(rows))
			return row.Scan(&price)
		}
	case args["work"] == "sleep":
		return func(conn *sql.Conn) error {
			_, err := conn.ExecContext(context.Background(), "DO SLEEP(?)", hold.Seconds())
			return err
		}
	case hold > 0:
		return func(*sql.Conn) error {
			time.Sleep(hold)
			return nil
		}
	default:
		return func(*sql.Conn) error { return nil }
	}
}

func connector(args map[string]string) driver.Connector {
	if args["driver"] == "none" {
		return fakeConnector{}
	}
	at, err := url.Parse(args["url"])
	must(err)
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", at.Host
	config.User, config.DBName = at.User.Username(), strings.TrimPrefix(at.Path, "/")
	// One round trip for a query. The default prepares each query and closes it again.
	config.InterpolateParams = true
	found, err := mysql.NewConnector(config)
	must(err)
	return found
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	must(err)
	return n
}

func main() {
	args := map[string]string{}
	for _, word := range os.Args[1:] {
		name, value, _ := strings.Cut(word, "=")
		args[name] = value
	}
	counted := &counted{Connector: connector(args)}
	db := sql.OpenDB(counted)
	db.SetMaxOpenConns(number(args["size"]))
	db.SetMaxIdleConns(number(args["size"]))
	c := &crew{
		db:      db,
		use:     operation(args),
		untimed: number(args["timed"]) - 1,
		pause:   time.Duration(number(args["pause_ms"])) * time.Millisecond,
		samples: make([]sample, number(args["threads"])),
	}
	for n := range c.samples {
		c.start = append(c.start, make(chan struct{}, 1))
		go c.live(n)
	}
	ready := "database/sql of " + runtime.Version()
	if args["driver"] != "none" {
		ready += ", Go-MySQL-Driver " + driverVersion
	}
	say(map[string]string{"ready": ready})
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		words := strings.Fields(commands.Text())
		if words[0] == "round" {
			window := time.Duration(number(words[1])) * time.Millisecond
			c.begin(window == 0)
			time.Sleep(window)
			c.isOver.Store(true)
		} else {
			c.begin(false)
			say(map[string]string{"mark": "begun"})
			commands.Scan()
			c.isBack.Store(true)
			say(map[string]string{"mark": "back"})
		}
		c.finish(atomic.LoadInt64(&counted.opened))
	}
}
