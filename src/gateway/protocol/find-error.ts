/** Finds the error in a body or in an event, for all vendors. */
import type { ServerSentEvent } from './sse.ts'
import { saysSomething } from './event-json.ts'

/** Whether an event says that upstream failed, in whatever protocol: by its name, or by an `error` that says something. */
export function isErrorEvent(event: ServerSentEvent): boolean {
  return event.type === 'error' || event.json?.['type'] === 'error' || saysSomething(event.json?.['error'])
}
