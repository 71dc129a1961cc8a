// A Go peer: net/http, encoding/json, pgx/v5 and hand-written SQL (store/), as a Go team would write it.
// LOG=1 adds a slog line a request. Not here: roles, scopes, expiry of grants, paging, validators, metrics.
//
// DSN=... PORT=9104 ./gopeer
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"gopeer/store"
)

type service struct{ store.Store }

func (s service) list(r *http.Request) (any, error) {
	pipelines, err := s.List(r.Context(), store.Digest(r.Header.Get("Authorization")))
	return struct {
		Status    string           `json:"status"`
		Pipelines []store.Pipeline `json:"pipelines"`
	}{"OK", pipelines}, err
}

func (s service) update(r *http.Request) (any, error) {
	var body struct {
		JobID       string   `json:"job_id"`
		PipelineIDs []string `json:"pipeline_ids"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&body) != nil || body.PipelineIDs == nil {
		return nil, store.Failure{Status: 400, Msg: "malformed body"}
	}
	updated, err := s.Update(r.Context(), store.Digest(r.Header.Get("Authorization")), body.JobID, body.PipelineIDs)
	return struct {
		Status  string          `json:"status"`
		Updated []store.Updated `json:"updated_pipelines"`
	}{"OK", updated}, err
}

func handle(log *slog.Logger, operation func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start, status := time.Now(), 200
		answer, err := operation(r)
		if err != nil {
			f := store.Failure{Status: 500, Msg: "internal error"}
			if !errors.As(err, &f) && r.Context().Err() == nil {
				slog.Error("fault", "error", err)
			}
			answer, status = map[string]string{"status": "ERROR", "msg": f.Msg}, f.Status
		}
		body, _ := json.Marshal(answer)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		w.Write(body)
		if log != nil {
			log.Info("request", "method", r.Method, "route", r.Pattern, "status", status, "duration_us", time.Since(start).Microseconds())
		}
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	db, err := store.Open(ctx, os.Getenv("DSN"))
	if err != nil {
		panic(err)
	}
	var log *slog.Logger
	if os.Getenv("LOG") == "1" {
		log = slog.New(slog.NewJSONHandler(os.Stdout, nil))
	}
	s, mux := service{db}, http.NewServeMux()
	mux.HandleFunc("GET /api/v1/flow/pipeline", handle(log, s.list))
	mux.HandleFunc("POST /api/v1/jobs/pipelines", handle(log, s.update))
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { <-ctx.Done(); server.Shutdown(context.Background()) }()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		panic(err)
	}
}
