import { findUpstreamError, statusNamedBy } from '../../routing/health/upstream-error.ts'
import type { ServerSentEvent } from './sse.ts'

/** The status that an error event names, as if it had come instead of the stream; 500 if it names none. */
export function statusOfErrorEvent({ json }: ServerSentEvent): number {
  const error = json && findUpstreamError(json)
  return (error && statusNamedBy(error)) ?? 500
}
