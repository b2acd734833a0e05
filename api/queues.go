package api

import (
	"context"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postern/desk"
	"postern/store"
)

func (s *server) queueRoutes(h huma.API) {
	handle(s, h, get("list-queues", "/outbox/queues", "List the queues of the outbox, and which of them are paused"), desk.ScopeRead, s.queues)
	handle(s, h, decide("pause-queue", "/outbox/queues/{queue}/pause", "Have a queue's rows wait"), desk.ScopeSettings, s.pauseQueue)
	handle(s, h, decide("resume-queue", "/outbox/queues/{queue}/resume", "Send what waits in a paused queue"), desk.ScopeSettings, s.resumeQueue)
	handle(s, h, decide("discard-automatic", "/outbox/queues/automatic/discard", "Throw away the automatic mail that waits while it is paused"), desk.ScopeSettings, s.discardAutomatic)
}

type queueView struct {
	Queue  string     `json:"queue"`
	Paused bool       `json:"paused"`
	Since  *time.Time `json:"since" doc:"Null: it is not paused."`
	Reason string     `json:"reason"`
}

func (s *server) queues(ctx context.Context, _ *struct{}) (*listOutput[queueView], error) {
	pauses, err := s.DB.Pauses(ctx)
	out := &listOutput[queueView]{}
	for _, name := range desk.QueueNames() {
		out.Body.Items = append(out.Body.Items, viewQueue(name, pauses))
	}
	return out, err
}

func viewQueue(name string, pauses []desk.Pause) queueView {
	v := queueView{Queue: name}
	if p, paused := desk.PauseOf(name, pauses); paused {
		v.Paused, v.Since, v.Reason = true, &p.Since, p.Reason
	}
	return v
}

type queueInput struct {
	Queue string `path:"queue" doc:"The queue's name, such as automatic."`
}

func (s *server) pauseQueue(ctx context.Context, in *queueInput) (*output[queueView], error) {
	return s.changeQueue(ctx, in.Queue, func(tx *store.Tx) error {
		_, err := tx.PauseQueue(ctx, in.Queue, "paused by an operator")
		return err
	})
}

func (s *server) resumeQueue(ctx context.Context, in *queueInput) (*output[queueView], error) {
	return s.changeQueue(ctx, in.Queue, func(tx *store.Tx) error { _, err := tx.ResumeQueue(ctx, in.Queue); return err })
}

func (s *server) changeQueue(ctx context.Context, name string, change func(*store.Tx) error) (*output[queueView], error) {
	if !slices.Contains(desk.QueueNames(), name) {
		return nil, desk.Missing("queue")
	}
	if err := s.DB.Update(ctx, change); err != nil {
		return nil, err
	}
	pauses, err := s.DB.Pauses(ctx)
	return &output[queueView]{viewQueue(name, pauses)}, err
}

type discarded struct {
	Discarded int64 `json:"discarded" doc:"How many mails were thrown away."`
}

func (s *server) discardAutomatic(ctx context.Context, _ *struct{}) (*output[discarded], error) {
	var d discarded
	err := s.DB.Update(ctx, func(tx *store.Tx) (err error) { d.Discarded, err = tx.DiscardAutomatic(ctx); return err })
	return &output[discarded]{d}, err
}
