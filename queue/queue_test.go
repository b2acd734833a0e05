package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/queue"
	"postern/store"
)

const canary = "canary-3f9c1d77"

// rig is a queue whose handler claims rows and does them, as outbound does.
type rig struct {
	t     *testing.T
	db    *store.DB
	redis *mailtest.RedisServer // nil: in this process
	q     *queue.Queue

	mu     sync.Mutex // guards what follows
	done   map[desk.ID]int
	before func(e desk.Effect) // called before a row is done, without the lock
}

func newRig(t *testing.T, redisToo bool) *rig {
	t.Helper()
	r := &rig{t: t, done: map[desk.ID]int{}}
	var err error
	if r.db, err = store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "postern.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.db.Close(); err != nil {
			t.Error(err)
		}
	})
	o := queue.Options{Outbox: r.db, Owner: "me", Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if redisToo {
		r.redis = mailtest.Redis(t)
		o.RedisURL = r.redis.URL()
	}
	if r.q, err = queue.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.q.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// both runs a check with each kind of Redis.
func both(t *testing.T, check func(r *rig)) {
	t.Helper()
	t.Parallel()
	t.Run("in process", func(t *testing.T) { t.Parallel(); check(newRig(t, false)) })
	t.Run("redis", func(t *testing.T) { t.Parallel(); check(newRig(t, true)) })
}

func (r *rig) add(n int) []desk.ID {
	r.t.Helper()
	ids := make([]desk.ID, n)
	err := r.db.Update(r.t.Context(), func(tx *store.Tx) error {
		for i := range ids {
			ids[i] = store.NewID()
			e := desk.Effect{ID: ids[i], Kind: []desk.EffectKind{desk.SignInMail, desk.PutInInbox}[i%2], Recipient: canary + "@example.com", Template: canary, CreatedAt: tx.Now()}
			if err := tx.AddEffect(r.t.Context(), e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return ids
}

func (r *rig) handle(ctx context.Context, name string, limit int) {
	for limit > 0 && ctx.Err() == nil {
		es, err := r.db.Claim(ctx, name, "me", min(limit, 5), time.Minute)
		if err != nil || len(es) == 0 {
			return
		}
		limit -= len(es)
		work := context.WithoutCancel(ctx)
		for i, e := range es {
			if ctx.Err() != nil {
				if err := r.db.Release(work, es[i:]); err != nil {
					r.t.Error(err)
				}
				return
			}
			if r.before != nil {
				r.before(e)
			}
			r.mu.Lock()
			r.done[e.ID]++
			r.mu.Unlock()
			e.State, e.DoneAt = desk.EffectSent, time.Now()
			if err := r.db.Finish(work, e); err != nil {
				r.t.Error(err)
			}
		}
	}
}

// run runs relay and server; what it gives back stops both and waits.
func (r *rig) run(h queue.Handler) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, service := range []func() error{func() error { return r.q.Relay(ctx) }, func() error { return r.q.Serve(ctx, h) }} {
		wg.Go(func() {
			if err := service(); err != nil {
				r.t.Error(err)
			}
		})
	}
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.done)
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(40 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

func (r *rig) allOnce(ids []desk.ID) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("%d rows are done", len(ids)), func() bool {
		counts, err := r.db.EffectCounts(r.t.Context())
		return err == nil && counts[desk.EffectSent] == int64(len(ids))
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if r.done[id] != 1 {
			r.t.Errorf("row %s was done %d times", id, r.done[id])
		}
	}
}

func TestRowsAreDoneOnce(t *testing.T) {
	both(t, func(r *rig) {
		r.run(r.handle)
		ids := r.add(100)
		for range 20 {
			ids = append(ids, r.add(1)...)
		}
		r.allOnce(ids)
	})
}

func TestF6_FlushAllWithHundredsPendingLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, true)
	r.before = func(desk.Effect) { // a tenth done: all that Redis knows is gone
		if r.count() == 40 {
			r.redis.FlushAll()
		}
	}
	ids := r.add(400)
	r.run(r.handle)
	r.allOnce(ids)
}

func TestF6_RedisThatDiesAndComesBackLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, true)
	half := make(chan struct{})
	once := sync.OnceFunc(func() { close(half) })
	r.before = func(desk.Effect) {
		if r.count() == 20 {
			once()
		}
	}
	ids := r.add(200)
	r.run(r.handle)
	<-half
	r.redis.Kill()
	if err := r.q.Ping(t.Context()); err == nil {
		t.Error("a dead Redis answers")
	}
	ids = append(ids, r.add(50)...)
	r.redis.Start()
	r.allOnce(ids)
	if err := r.q.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestF8_ArchivedTaskDoesNotBlockItsRow(t *testing.T) {
	t.Parallel()
	r := newRig(t, true)
	ids := r.add(2)
	opt, err := asynq.ParseRedisURI(r.redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	client, inspector := asynq.NewClient(opt), asynq.NewInspector(opt)
	defer client.Close()
	defer inspector.Close()
	for i, name := range []string{desk.QueueMail, desk.QueueMailbox} {
		task := "ob-" + string(ids[i])
		if _, err := client.Enqueue(asynq.NewTask("drain", []byte(ids[i])), asynq.Queue(name), asynq.TaskID(task)); err != nil {
			t.Fatal(err)
		}
		if err := inspector.ArchiveTask(name, task); err != nil {
			t.Fatal(err)
		}
	}
	r.run(r.handle)
	r.allOnce(ids)
}

func TestF31_HandlerThatPanicsStopsNothing(t *testing.T) {
	both(t, func(r *rig) {
		var once sync.Once
		r.run(func(ctx context.Context, name string, limit int) {
			once.Do(func() { panic("a bug") })
			r.handle(ctx, name, limit)
		})
		r.allOnce(r.add(30))
	})
}

// TestF7_SlowHandlerIsNotRunBeside: a task that is still active does not keep a due row waiting, and the row is done once.
func TestF7_StuckTaskKeepsNoOtherRowWaiting(t *testing.T) {
	both(t, func(r *rig) {
		stuck, free := make(chan struct{}), make(chan struct{})
		var once sync.Once
		r.run(func(ctx context.Context, name string, limit int) {
			first := false
			once.Do(func() { first = true })
			if first { // holds its slot and does nothing with the row it was called for
				close(stuck)
				<-free
				return
			}
			r.handle(ctx, name, limit)
		})
		ids := r.add(1)
		<-stuck
		ids = append(ids, r.add(20)...)
		r.allOnce(ids)
		close(free)
	})
}

func TestO10_StopDrainsAndGivesBackWhatWasNotBegun(t *testing.T) {
	both(t, func(r *rig) {
		begun, goOn := make(chan struct{}), make(chan struct{})
		var once sync.Once
		r.before = func(desk.Effect) { once.Do(func() { close(begun); <-goOn }) }
		ids := r.add(100)
		stopped := make(chan struct{})
		stop := r.run(r.handle)
		<-begun
		go func() { stop(); close(stopped) }()
		select {
		case <-stopped:
			r.t.Error("stopped while a row was under way")
		default:
		}
		close(goOn)
		<-stopped
		counts, err := r.db.EffectCounts(r.t.Context())
		if err != nil || counts[desk.EffectSending] != 0 || counts[desk.EffectUnknown] != 0 || counts[desk.EffectSent]+counts[desk.EffectPending] != int64(len(ids)) {
			r.t.Errorf("%v, %v", counts, err)
		}
		if counts[desk.EffectSent] != int64(r.count()) || r.count() == 0 {
			r.t.Errorf("%d done, %v", r.count(), counts)
		}
	})
}

func TestTakeoverOfWhatADeadProcessWasSending(t *testing.T) {
	t.Parallel()
	r := newRig(t, false)
	ids := r.add(10)
	for _, name := range []string{desk.QueueMail, desk.QueueMailbox} {
		if _, err := r.db.Claim(t.Context(), name, "dead", 50, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	alone, err := queue.New(queue.Options{Outbox: r.db, Owner: "me", Alone: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.q.Close(); err != nil {
		t.Fatal(err)
	}
	r.q = alone
	r.run(r.handle)
	r.allOnce(ids)
}

func TestO3_RedisSeesRowIDsAndNothingElse(t *testing.T) {
	t.Parallel()
	r := newRig(t, true)
	ids := r.add(20)
	ctx, cancel := context.WithCancel(t.Context())
	relay := make(chan error, 1)
	go func() { relay <- r.q.Relay(ctx) }()
	rc := redis.NewClient(&redis.Options{Addr: r.redis.Addr()})
	defer rc.Close()
	var all bytes.Buffer
	eventually(t, "tasks are in Redis", func() bool {
		all.Reset()
		return dumpRedis(ctx, rc, &all) == nil && strings.Contains(all.String(), string(ids[0]))
	})
	cancel()
	if err := <-relay; err != nil {
		t.Error(err)
	}
	if strings.Contains(all.String(), canary) {
		t.Error("Redis sees more than the row's id")
	}
}

// dumpRedis writes all keys and their values.
func dumpRedis(ctx context.Context, rc *redis.Client, w io.Writer) error {
	keys, err := rc.Keys(ctx, "*").Result()
	if err != nil {
		return err
	}
	for _, k := range keys {
		kind, err := rc.Type(ctx, k).Result()
		if err != nil {
			return err
		}
		var v any
		switch kind {
		case "string":
			v, err = rc.Get(ctx, k).Result()
		case "hash":
			v, err = rc.HGetAll(ctx, k).Result()
		case "list":
			v, err = rc.LRange(ctx, k, 0, -1).Result()
		case "set":
			v, err = rc.SMembers(ctx, k).Result()
		case "zset":
			v, err = rc.ZRangeWithScores(ctx, k, 0, -1).Result()
		case "none": // gone meanwhile
		default:
			err = errors.New("a key of type " + kind)
		}
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		fmt.Fprintln(w, k, v)
	}
	return nil
}

func TestAURLThatIsNoneIsRefusedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"http://user:" + canary + "@host", canary, "redis-cluster://user:%zz" + canary + "@a,b"} {
		q, err := queue.New(queue.Options{RedisURL: u, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			t.Errorf("%s: taken, %v", u, q.Close())
			continue
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestStoppingLeavesNothingRunning(t *testing.T) { //nolint:paralleltest // counts goroutines
	for _, redisToo := range []bool{false, true} {
		before := goleak.IgnoreCurrent()
		t.Run(fmt.Sprintf("redis %t", redisToo), func(t *testing.T) {
			r := newRig(t, redisToo)
			stop := r.run(r.handle)
			r.allOnce(r.add(20))
			stop()
		})
		goleak.VerifyNone(t, before)
	}
}
