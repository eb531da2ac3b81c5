import {
  type Classification,
  classifyFailure,
  classifyStatus,
  mayMeanContextLength,
  saysContextLength,
} from '../../routing/classify.ts'
import { watchesContextLength } from '../../routing/next-attempt.ts'
import type { Route } from '../../routing/snapshot.ts'
import { join } from '../relay.ts'
import type { ServerSentEvent } from '../sse.ts'
import { statusOfErrorEvent } from '../stream-error.ts'
import type { CallOpening, UpstreamCall } from '../upstream/call.ts'

/** What a call means for its request. */
export function classifyCall(call: UpstreamCall, opening: CallOpening, route: Route): Classification {
  switch (opening) {
    case 'answering':
      if (call.isBroken && call.status < 400) return classifyFailure(false)
      return classifyStatus(call.status, call.status >= 400 && isContextLengthError(call, route))
    case 'failedStream':
      return classifyErrorEvent(call.errorEvent, route)
    case 'firstByteTimeout':
    case 'expired':
      return classifyFailure(true)
    case 'connectTimeout':
    case 'unreachable':
      return classifyFailure(false)
  }
}

/** Null: the stream ended without any content. */
function classifyErrorEvent(event: ServerSentEvent | null, route: Route): Classification {
  if (!event) return 'SERVER_ERROR'
  return classifyStatus(statusOfErrorEvent(event), watchesContextLength(route) && saysContextLength(event.data ?? ''))
}

function isContextLengthError(call: UpstreamCall, route: Route): boolean {
  if (!mayMeanContextLength(call.status) || !watchesContextLength(route) || !call.isComplete) return false
  return saysContextLength(join(call.peekChunks()).toString())
}
