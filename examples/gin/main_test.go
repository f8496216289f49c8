package main

import (
	"testing"

	"github.com/ostiary/ostiary/examples/internal/apptest"
	"github.com/ostiary/ostiary/internal/testenv"
)

func TestMain(m *testing.M) { apptest.Main(m, main) }

func TestApplicationStartsWithNothingInstalled(t *testing.T) { apptest.Application(t) }

func TestApplicationOnPostgreSQLAndRedis(t *testing.T) {
	apptest.Services(t, testenv.Postgres(t), testenv.Redis(t))
}
