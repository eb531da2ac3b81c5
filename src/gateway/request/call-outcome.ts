import { type Classification, classifyFailure, classifyStatus } from '../../routing/health/classify-outcome.ts'
import { watchesContextLength } from '../../routing/choose/next-attempt.ts'
import type { Route } from '../../routing/config/snapshot.ts'
import {
  errorInsteadOfAnswer,
  parseObject,
  readUpstreamError,
  speaksOfPath,
  statusNamedBy,
  type UpstreamError,
} from '../../routing/health/upstream-error.ts'
import { join } from '../answer/relay.ts'
import type { CallOpening, UpstreamCall } from '../upstream/call.ts'
import { mayHoldError } from '../upstream/plain-opening.ts'

/** What a call means for its request. */
export interface CallOutcome {
  readonly classification: Classification
  /** The status of the answer, or the one that the error in its place names. */
  readonly meantStatus: number
  /** The upstream's error; null if it has none that can be read. */
  readonly error: UpstreamError | null
  /** A body that is not JSON, as text; empty if there is none. */
  readonly text: string
}

export function outcomeOfCall(call: UpstreamCall, opening: CallOpening, route: Route): CallOutcome {
  switch (opening) {
    case 'answering':
      return call.status >= 300 ? outcomeOfError(call, route) : outcomeOfAnswer(call, route)
    case 'failedStream':
      return outcomeOfStream(call, route)
    case 'firstByteTimeout':
    case 'expired':
      return failed(call, classifyFailure(true))
    case 'connectTimeout':
    case 'unreachable':
      return failed(call, classifyFailure(false))
  }
}

function failed({ status }: UpstreamCall, classification: Classification): CallOutcome {
  return { classification, meantStatus: status, error: null, text: '' }
}

const good: CallOutcome = { classification: 'answer', meantStatus: 200, error: null, text: '' }

/** Whether a body with a good status is an answer. */
function outcomeOfAnswer(call: UpstreamCall, route: Route): CallOutcome {
  if (call.isBroken) return failed(call, classifyFailure(false))
  if (call.isPage) return { classification: 'SERVER_ERROR', meantStatus: 502, error: null, text: textOf(call) }
  if (!call.isComplete || call.isStream) return good
  const body = join(call.peekChunks())
  if (body.length === 0) return { classification: 'SERVER_ERROR', meantStatus: 502, error: null, text: 'an empty body' }
  if (!mayHoldError(body)) return good
  const object = parseObject(body.toString())
  const error = object && errorInsteadOfAnswer(object)
  return error ? outcomeOfNamedError(error, statusNamedBy(error) ?? (speaksOfPath(error) ? 404 : 500), route) : good
}

function outcomeOfError(call: UpstreamCall, route: Route): CallOutcome {
  const { status } = call
  if (!call.isComplete) {
    const classification = classifyStatus(status)
    return { classification, meantStatus: status, error: null, text: textOf(call) }
  }
  const text = textOf(call)
  const error = readUpstreamError(text)
  const classification = classifyStatus(status, error, watchesContextLength(route))
  return { classification, meantStatus: status, error, text: error ? '' : text }
}

/** Of a stream that failed before it had content. */
function outcomeOfStream({ errorEvent }: UpstreamCall, route: Route): CallOutcome {
  if (!errorEvent) return { classification: 'SERVER_ERROR', meantStatus: 502, error: null, text: 'no content' }
  const data = errorEvent.data ?? ''
  const error = readUpstreamError(data)
  if (error) return outcomeOfNamedError(error, statusNamedBy(error) ?? 500, route)
  return { classification: 'SERVER_ERROR', meantStatus: 500, error: null, text: data }
}

/** By the status that the error names, as if it had come with that. */
function outcomeOfNamedError(error: UpstreamError, meantStatus: number, route: Route): CallOutcome {
  const classification = classifyStatus(meantStatus, error, watchesContextLength(route))
  return { classification, meantStatus, error, text: '' }
}

function textOf(call: UpstreamCall): string {
  return join(call.peekChunks()).toString()
}
