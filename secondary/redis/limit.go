package redisstorage

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/secondary"
)

// maxLimitKey is the length from which the key of a limit is hashed. Parts of
// it may come from a client.
const maxLimitKey = 128

// hitScript keeps the instants of the hits that were allowed, in microseconds,
// oldest first. A clock that goes back stands still instead, so that the list
// stays in order; the list's time to live ends that after one window. The time
// to live has a millisecond more than the window, because Redis counts it from
// the start of a millisecond.
var hitScript = newScript(`
local key, limit, window, now = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if now == 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
local held, oldest = redis.call('LLEN', key), now
if held > 0 then
  now = math.max(now, tonumber(redis.call('LINDEX', key, -1)))
end
while held > 0 do
  oldest = tonumber(redis.call('LINDEX', key, 0))
  if oldest > now - window then break end
  redis.call('LPOP', key)
  held, oldest = held - 1, now
end
if held >= limit then
  local blocking = tonumber(redis.call('LINDEX', key, held - limit))
  return {0, held, blocking + window - now}
end
redis.call('RPUSH', key, now)
redis.call('PEXPIRE', key, math.ceil(window / 1000) + 1)
return {1, held + 1, oldest + window - now}
`)

// Hit implements [ratelimit.Storage] with one command on one key, the prefix
// and "limit:" before the given one. The log is exact to the microsecond, for
// any number of processes; the zero now is the clock of Redis. A limit or a
// window that is not positive is [secondary.ErrInvalid].
func (s *Storage) Hit(
	ctx context.Context, key string, limit int, window time.Duration, now time.Time,
) (ratelimit.Result, error) {
	const op = "hit"
	if limit <= 0 || window <= 0 {
		return ratelimit.Result{}, fmt.Errorf("redis: %s: limit %d in %s: %w", op, limit, window, secondary.ErrInvalid)
	}
	var instant int64
	if !now.IsZero() {
		instant = now.UnixMicro()
	}
	cmd, err := eval(ctx, s, op, redis.NewIntSliceCmd, hitScript, s.limitKey(key),
		limit, int64((window-1)/time.Microsecond)+1, instant)
	if err != nil {
		return ratelimit.Result{}, err
	}
	return hitResult(cmd.Val(), limit, window)
}

// limitKey keeps hashed keys apart from those that only look hashed.
func (s *Storage) limitKey(key string) string {
	if len(key) <= maxLimitKey {
		return s.prefix + "limit:" + key
	}
	sum := sha256.Sum256([]byte(key))
	return s.prefix + "limit#" + base64.RawURLEncoding.EncodeToString(sum[:])
}

func hitResult(reply []int64, limit int, window time.Duration) (ratelimit.Result, error) {
	if len(reply) != 3 {
		return ratelimit.Result{}, &Error{Op: "hit", Reason: ReasonReply}
	}
	allowed, held, wait := reply[0] == 1, int(reply[1]), time.Duration(reply[2])*time.Microsecond
	result := ratelimit.Result{
		Allowed:   allowed,
		Limit:     limit,
		Window:    window,
		Remaining: max(limit-held, 0),
		Reset:     wait,
	}
	if !allowed {
		result.RetryAfter = (wait + time.Millisecond - 1).Truncate(time.Millisecond)
	}
	return result, nil
}
