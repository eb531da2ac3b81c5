import { readUpstreamError, statusNamedBy } from '../routing/upstream-error.ts'
import type { ServerSentEvent } from './sse.ts'

/** The status that an error event names, as if it had come instead of the stream; 500 if it names none. */
export function statusOfErrorEvent(event: ServerSentEvent): number {
  const error = readUpstreamError(event.data ?? '')
  return (error && statusNamedBy(error)) ?? 500
}
