import { isObject, readJson } from './event-json.ts'
import type { ServerSentEvent } from './sse.ts'

/** The status that an error event names, as if it had come instead of the stream; 500 if it names none. */
export function statusOfErrorEvent(event: ServerSentEvent): number {
  const value = readJson(event)
  const response = value?.['response']
  const places = [value?.['error'], isObject(response) ? response['error'] : undefined, value]
  for (const place of places) {
    if (!isObject(place)) continue
    const status = namedStatus(place['code']) ?? namedStatus(place['status']) ?? namedStatus(place['type'])
    if (status !== undefined) return status
  }
  return 500
}

function namedStatus(code: unknown): number | undefined {
  if (typeof code !== 'string' && typeof code !== 'number') return undefined
  const status = statuses.get(String(code)) ?? Number(code)
  return Number.isInteger(status) && status >= 400 && status < 600 ? status : undefined
}

/**
 * https://docs.anthropic.com/en/api/errors, https://platform.openai.com/docs/guides/error-codes, and for the codes of a failed
 * response https://platform.openai.com/docs/api-reference/responses/object#responses/object-error.
 */
const statuses: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['context_length_exceeded', 400],
  ['invalid_prompt', 400],
  ['content_policy_violation', 400],
  ['image_content_policy_violation', 400],
  ['authentication_error', 401],
  ['invalid_api_key', 401],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['model_not_found', 404],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['rate_limit_exceeded', 429],
  ['insufficient_quota', 429],
  ['timeout_error', 504],
  ['overloaded_error', 529],
])
