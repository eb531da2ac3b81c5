import type { Plugin } from 'graphql-yoga'

/** Turns off buffering for subscriptions over SSE: a proxy such as nginx would hold events back until a buffer is full. */
export function useUnbufferedEvents(): Plugin {
  return {
    onResponse({ response }) {
      if (response.headers.get('content-type')?.startsWith('text/event-stream'))
        response.headers.set('x-accel-buffering', 'no')
    },
  }
}
