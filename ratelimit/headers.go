package ratelimit

import (
	"net/http"
	"strconv"
	"time"
)

// In the spelling of net/http's maps, which saves their conversion.
const (
	policyHeader      = "Ratelimit-Policy"
	limitHeader       = "Ratelimit"
	retryHeader       = "Retry-After"
	clientRetryHeader = "X-Retry-After"
)

// SetHeaders tells the client about a result:
//
//	RateLimit-Policy: "default";q=100;w=10
//	RateLimit: "default";r=0;t=5
//
// as in draft-ietf-httpapi-ratelimit-headers, the quota q in a window of w
// seconds, of which r are left until some come back in t seconds; and for a
// refused request Retry-After (RFC 9110, section 10.2.3) and X-Retry-After,
// which better-auth's clients read, at least 1. All times are whole seconds,
// rounded up. It replaces what a limit before it has set, and sets nothing
// where no rule applied.
func SetHeaders(h http.Header, result Result) {
	if result.Limit == 0 {
		return
	}
	var buf [64]byte
	b := append(buf[:0], `"default";q=`...)
	b = strconv.AppendInt(b, int64(result.Limit), 10)
	b = append(b, ";w="...)
	b = strconv.AppendInt(b, seconds(result.Window), 10)
	h.Set(policyHeader, string(b))

	b = append(buf[:0], `"default";r=`...)
	b = strconv.AppendInt(b, int64(result.Remaining), 10)
	b = append(b, ";t="...)
	b = strconv.AppendInt(b, seconds(result.Reset), 10)
	h.Set(limitHeader, string(b))

	if !result.Allowed {
		after := strconv.FormatInt(max(seconds(result.RetryAfter), 1), 10)
		h.Set(retryHeader, after)
		h.Set(clientRetryHeader, after)
	}
}

// seconds rounds up: a client told the lower number would come too early.
func seconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}
