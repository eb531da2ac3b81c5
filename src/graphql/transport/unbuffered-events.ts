import type { Plugin } from 'graphql-yoga'

/** Subscriptions over SSE: a proxy in between, such as nginx, would keep their events until it has a bufferful. */
export function useUnbufferedEvents(): Plugin {
  return {
    onResponse({ response }) {
      if (response.headers.get('content-type')?.startsWith('text/event-stream'))
        response.headers.set('x-accel-buffering', 'no')
    },
  }
}
