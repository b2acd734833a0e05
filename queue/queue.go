// Package queue carries outbox rows to the workers with asynq, on Redis or on an in-process stand-in for it. It is an
// executor and nothing else: what has to be done stands in the outbox, so Redis may lose everything at any moment.
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"postern/desk"
)

// Outbox is the truth about what is due.
type Outbox interface {
	// DueEffects lists rows of a queue that are due, the longest-waiting first.
	DueEffects(ctx context.Context, queue string, limit int) ([]desk.ID, error)
	// ExpireClaims turns rows whose lease is over into unknown.
	ExpireClaims(ctx context.Context) (int64, error)
	// ExpireOthers does so at once with all rows that others than owner have claimed.
	ExpireOthers(ctx context.Context, owner string) (int64, error)
	// Outboxed gets a value when this process has added rows.
	Outboxed() <-chan struct{}
}

// Options say how the queue runs.
type Options struct {
	// RedisURL is redis://…, rediss://…, redis-sentinel://… or redis-cluster://HOST,HOST…; empty: in this process.
	RedisURL string
	Outbox   Outbox
	Owner    string // names this process in claims
	Alone    bool   // no other process has claims: what is being sent at the start was left by a dead one
	Slots    int    // how many tasks run at once; 0: 4
	Log      *slog.Logger
}

// Queue is the connection to Redis, and what runs on it.
type Queue struct {
	o         Options
	redis     redis.UniversalClient
	client    *asynq.Client
	inspector *asynq.Inspector
	close     func()
}

// perTask is how many rows one task drains at the most, and sweep how often the relay looks by itself.
const (
	perTask    = 100
	perSweep   = 500 // of each queue
	sweepEvery = 2 * time.Second
	taskType   = "drain"
)

// New connects. A Redis that is away is no error: Ping tells, and work goes on when it is back.
func New(o Options) (*Queue, error) {
	if o.Slots == 0 {
		o.Slots = 4
	}
	q := &Queue{o: o, close: func() {}}
	if o.RedisURL == "" {
		q.redis, q.close = inProcess()
	} else {
		opt, err := parseRedisURL(o.RedisURL)
		if err != nil {
			return nil, err
		}
		rc, ok := opt.MakeRedisClient().(redis.UniversalClient)
		if !ok {
			return nil, errors.New("redis_url: this kind of Redis is not supported")
		}
		q.redis = rc
	}
	q.client = asynq.NewClientFromRedisClient(q.redis)
	q.inspector = asynq.NewInspectorFromRedisClient(q.redis)
	return q, nil
}

func parseRedisURL(raw string) (asynq.RedisConnOpt, error) {
	if rest, ok := strings.CutPrefix(raw, "redis-cluster://"); ok {
		var opt asynq.RedisClusterClientOpt
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			u, err := url.Parse("redis://" + rest[:at] + "@host")
			if err != nil {
				return nil, errors.New("redis_url: the user or password can't be read")
			}
			opt.Username = u.User.Username()
			opt.Password, _ = u.User.Password()
			rest = rest[at+1:]
		}
		opt.Addrs = strings.Split(strings.TrimSuffix(rest, "/"), ",")
		return opt, nil
	}
	opt, err := asynq.ParseRedisURI(raw)
	if err != nil {
		return nil, errors.New("redis_url: want redis://HOST:PORT, rediss://…, redis-sentinel://… or redis-cluster://…")
	}
	return opt, nil
}

// inProcess starts a Redis inside this process, reached without a port. It keeps nothing that must last.
func inProcess() (redis.UniversalClient, func()) {
	mr := miniredis.NewMiniRedis()
	rc := redis.NewClient(&redis.Options{Dialer: func(context.Context, string, string) (net.Conn, error) { return mr.Dial() }})
	stop := make(chan struct{})
	var done sync.WaitGroup
	// miniredis lets no time pass by itself, and its own clock looks at every key with every command.
	done.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case now := <-tick.C:
				mr.FastForward(now.Sub(last))
				last = now
			case <-stop:
				return
			}
		}
	})
	return rc, func() { close(stop); done.Wait(); mr.Close() }
}

// Close lets go of Redis. Relay and Serve must have returned.
func (q *Queue) Close() error {
	err := q.redis.Close()
	q.close()
	return err
}

// Ping tells whether Redis answers.
func (q *Queue) Ping(ctx context.Context) error {
	if err := q.redis.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis does not answer: %w", err)
	}
	return nil
}

// Relay puts due rows on the queue: at once when this process adds some, and by a sweep that finds all others. It
// returns when ctx ends. Any number of processes may relay at the same time.
func (q *Queue) Relay(ctx context.Context) error {
	if q.o.Alone {
		n, err := q.o.Outbox.ExpireOthers(ctx, q.o.Owner)
		q.logExpired(ctx, n)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("take over the outbox: %w", err)
		}
	}
	lastExpiry := time.Now()
	trouble := false
	for {
		more, err := q.sweep(ctx)
		if err == nil && time.Since(lastExpiry) > 5*sweepEvery {
			lastExpiry = time.Now()
			var n int64
			n, err = q.o.Outbox.ExpireClaims(ctx)
			q.logExpired(ctx, n)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !trouble {
			q.o.Log.WarnContext(ctx, "outbox waits, the queue has trouble", slog.String("error", err.Error()))
		} else if err == nil && trouble {
			q.o.Log.InfoContext(ctx, "queue works again")
		}
		trouble = err != nil
		wait := sweepEvery
		if more {
			wait = sweepEvery / 10
		}
		select {
		case <-ctx.Done():
			return nil
		case <-q.o.Outbox.Outboxed():
		case <-time.After(wait):
		}
	}
}

func (q *Queue) logExpired(ctx context.Context, rows int64) {
	if rows > 0 {
		q.o.Log.WarnContext(ctx, "a process ended while it was sending; its rows are looked into", slog.Int64("rows", rows))
	}
}

// sweep enqueues what is due, queue by queue: one that can't be worked off keeps no other waiting. It answers true if
// there may be more that was not looked at.
func (q *Queue) sweep(ctx context.Context) (more bool, err error) {
	for name := range desk.Queues() {
		due, err := q.o.Outbox.DueEffects(ctx, name, perSweep)
		if err != nil {
			return false, err
		}
		more = more || len(due) == perSweep
		// One task drains many rows, so a backlog needs few tasks; but never fewer than there are slots for it.
		step := max(1, min(perTask, len(due)/q.o.Slots))
		for i := 0; i < len(due); i += step {
			if err := q.enqueue(ctx, name, due[i]); err != nil {
				return false, err
			}
		}
	}
	return more, nil
}

func (q *Queue) enqueue(ctx context.Context, queue string, row desk.ID) error {
	task := asynq.NewTask(taskType, []byte(row))
	id := "ob-" + string(row)
	options := []asynq.Option{asynq.Queue(queue), asynq.MaxRetry(0), asynq.Timeout(15 * time.Minute)}
	_, err := q.client.EnqueueContext(ctx, task, append(options, asynq.TaskID(id))...)
	if !errors.Is(err, asynq.ErrTaskIDConflict) {
		return err
	}
	info, err := q.inspector.GetTaskInfo(queue, id)
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		return nil // it has just been done; the next sweep knows
	}
	if err != nil {
		return err
	}
	switch info.State {
	case asynq.TaskStateArchived, asynq.TaskStateCompleted:
		// A worker that died over a task leaves it archived, and its id taken for ever.
		if err := q.inspector.DeleteTask(queue, id); err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
			return err
		}
		_, err = q.client.EnqueueContext(ctx, task, append(options, asynq.TaskID(id))...)
	case asynq.TaskStateActive:
		// The row is due, so nobody works on it; a task can stay active for ever when its worker died (asynq #1051).
		slot := time.Now().Unix() / 60
		_, err = q.client.EnqueueContext(ctx, task, append(options, asynq.TaskID(fmt.Sprintf("%s-%d", id, slot)))...)
	case asynq.TaskStatePending, asynq.TaskStateRetry, asynq.TaskStateScheduled, asynq.TaskStateAggregating:
		return nil
	}
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// Handler drains a queue: it does up to limit due rows and returns. It never fails: what goes wrong is in the rows.
type Handler func(ctx context.Context, queue string, limit int)

// Serve runs tasks until ctx ends, then lets those that run finish for up to 30 seconds (REQUIREMENTS O10).
func (q *Queue) Serve(ctx context.Context, h Handler) error {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	server := asynq.NewServerFromRedisClient(q.redis, asynq.Config{
		Concurrency: q.o.Slots, Queues: desk.Queues(), TaskCheckInterval: 100 * time.Millisecond, DelayedTaskCheckInterval: 5 * time.Second,
		ShutdownTimeout: 30 * time.Second, Logger: logger{q.o.Log}, LogLevel: asynq.WarnLevel, BaseContext: func() context.Context { return run },
	})
	handle := func(taskCtx context.Context, _ *asynq.Task) error {
		name, _ := asynq.GetQueueName(taskCtx)
		// Rows that are not begun when the process stops go back; the one under way is finished.
		work, cancel := context.WithCancel(taskCtx)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		h(work, name, perTask)
		return nil
	}
	if err := server.Start(asynq.HandlerFunc(handle)); err != nil {
		return fmt.Errorf("start the queue: %w", err)
	}
	<-ctx.Done()
	server.Shutdown()
	return nil
}

// LogTo has Redis's client, which logs for the whole process, log to log. It is called once, before New.
func LogTo(log *slog.Logger) { redis.SetLogger(redisLogger{log}) }

type redisLogger struct{ log *slog.Logger }

// Printf is where the client reports what it goes on after by itself.
func (l redisLogger) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis", slog.String("text", fmt.Sprintf(format, args...)))
}

// logger hands asynq's own words to slog.
type logger struct{ log *slog.Logger }

func (l logger) Debug(args ...any) { l.log.Debug("asynq", slog.String("text", fmt.Sprint(args...))) }
func (l logger) Info(args ...any)  { l.log.Info("asynq", slog.String("text", fmt.Sprint(args...))) }
func (l logger) Warn(args ...any)  { l.log.Warn("asynq", slog.String("text", fmt.Sprint(args...))) }
func (l logger) Error(args ...any) { l.log.Error("asynq", slog.String("text", fmt.Sprint(args...))) }
func (l logger) Fatal(args ...any) { l.log.Error("asynq", slog.String("text", fmt.Sprint(args...))) }

// Addr tells whether there is a Redis to reach over the network, for the log.
func (q *Queue) Addr() string {
	if q.o.RedisURL == "" {
		return "in this process"
	}
	u, err := url.Parse(q.o.RedisURL)
	if err != nil {
		return "redis"
	}
	return net.JoinHostPort(u.Hostname(), u.Port())
}
