/**
 * The one reading of "what error does this say": of the body of an answer, plain or of a stream's event, whatever its vendor. What
 * it means for the request is `classify`'s to say.
 *
 * Forms: `{"error": {…}}` (OpenAI, https://platform.openai.com/docs/guides/error-codes; Anthropic with `type: "error"` beside it,
 * https://docs.anthropic.com/en/api/errors; OpenRouter, https://openrouter.ai/docs/api/reference/errors-and-debugging); the same in
 * a list (Gemini's OpenAI endpoint; within `error`: Cloudflare's AI gateway); `{"error": "…"}` (Ollama, LM Studio; TGI with
 * `error_type` and xAI with `code` beside it); all of it at the top
 * (vLLM before 0.10, Mistral, Bedrock); `{"detail": "…"}` (FastAPI: vLLM, SGLang); `{"response": {"error": {…}}}` (a stream's
 * `response.failed`); `{"success": false, "errors": [{…}]}` (Cloudflare).
 */
export interface UpstreamError {
  /** The message for a person, bounded; empty if there is none. */
  readonly message: string
  /** All codes, types, statuses and reasons that it names. */
  readonly codes: readonly string[]
  /** Whether it lists why the input was flagged. */
  readonly hasFlags: boolean
}

type Json = Readonly<Record<string, unknown>>

const maxMessageLength = 4096
const maxCodes = 16
const maxCodeLength = 128

/** The error in a body; null if it is not JSON or has no error. */
export function readUpstreamError(body: string): UpstreamError | null {
  const value = parseObject(body)
  return value && findUpstreamError(value)
}

/** The JSON object of a body, or the object inside the list of Gemini's errors; null if there is none. */
export function parseObject(body: string): Json | null {
  try {
    const parsed: unknown = JSON.parse(body)
    const top = Array.isArray(parsed) ? (parsed as unknown[])[0] : parsed
    return isObject(top) ? top : null
  } catch {
    return null
  }
}

/** The error in a JSON object; null if there is none. */
export function findUpstreamError(top: Json): UpstreamError | null {
  const { error, errors, response } = top
  if (typeof error === 'string' && error !== '') return describe({ message: error }, top)
  if (isObject(error)) return describe(error, top)
  if (isObject(response) && isObject(response['error'])) return describe(response['error'], response)
  const first = firstOf(error) ?? firstOf(errors)
  if (isObject(first)) return describe(first, top)
  if (typeof first === 'string') return describe({ message: first }, top)
  return saysError(top) ? describe(top, top) : null
}

function firstOf(list: unknown): unknown {
  return Array.isArray(list) ? (list as unknown[])[0] : undefined
}

function saysError(top: Json): boolean {
  return ['message', 'detail', 'code', 'msg', 'error_message'].some((name) => saysSomething(top[name]))
}

function describe(error: Json, top: Json): UpstreamError {
  const codes: string[] = []
  addCodes(codes, error)
  if (error !== top) addCodes(codes, { code: top['code'], type: top['error_type'] })
  for (const name of ['innererror', 'inner_error']) addCodes(codes, error[name])
  const { details, metadata } = error
  if (Array.isArray(details)) for (const detail of details.slice(0, 8)) addCodes(codes, detail)
  const hasFlags = isObject(metadata) && ('flagged_input' in metadata || 'reasons' in metadata)
  return { message: messageOf(error), codes, hasFlags }
}

function addCodes(codes: string[], value: unknown): void {
  if (!isObject(value)) return
  for (const name of ['code', 'type', 'status', 'reason', 'http_status_code']) {
    const code = value[name]
    if (typeof code !== 'string' && typeof code !== 'number') continue
    if (codes.length < maxCodes) codes.push(String(code).slice(0, maxCodeLength))
  }
}

/** The message of an error. For OpenRouter it is that of the provider behind it; for FastAPI's validation the list as text. */
function messageOf(error: Json): string {
  const { message, detail, msg, error_message, metadata } = error
  const statedMessage = [message, detail, msg, error_message].find(saysSomething)
  const text =
    typeof statedMessage === 'string' ? statedMessage : statedMessage === undefined ? '' : JSON.stringify(statedMessage)
  const raw = isObject(metadata) && typeof metadata['raw'] === 'string' ? metadata['raw'] : ''
  return (raw === '' ? text : `${text}: ${raw}`).slice(0, maxMessageLength)
}

/** The status that the error names; undefined if none. */
export function statusNamedBy({ codes }: UpstreamError): number | undefined {
  for (const code of codes) {
    const status = statuses.get(code) ?? Number(code)
    if (Number.isInteger(status) && status >= 400 && status < 600) return status
  }
  return undefined
}

/**
 * https://docs.anthropic.com/en/api/errors, https://platform.openai.com/docs/guides/error-codes, for the codes of a failed response
 * https://platform.openai.com/docs/api-reference/responses/object#responses/object-error, and Google's
 * https://cloud.google.com/apis/design/errors. The last ones are TGI's.
 */
const statuses: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['context_length_exceeded', 400],
  ['invalid_prompt', 400],
  ['content_policy_violation', 400],
  ['image_content_policy_violation', 400],
  ['content_filter', 400],
  ['INVALID_ARGUMENT', 400],
  ['FAILED_PRECONDITION', 400],
  ['authentication_error', 401],
  ['invalid_api_key', 401],
  ['UNAUTHENTICATED', 401],
  ['billing_error', 402],
  ['insufficient_balance', 402],
  ['permission_error', 403],
  ['PERMISSION_DENIED', 403],
  ['not_found_error', 404],
  ['model_not_found', 404],
  ['NOT_FOUND', 404],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['rate_limit_exceeded', 429],
  ['insufficient_quota', 429],
  ['RESOURCE_EXHAUSTED', 429],
  ['server_error', 500],
  ['api_error', 500],
  ['INTERNAL', 500],
  ['UNAVAILABLE', 503],
  ['timeout_error', 504],
  ['DEADLINE_EXCEEDED', 504],
  ['overloaded_error', 529],
  ['validation', 422],
  ['overloaded', 429],
  ['generation', 500],
  ['incomplete_generation', 500],
])

/** Null, false, an empty string and an empty list say nothing. */
function saysSomething(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '') return false
  return Array.isArray(value) ? value.length > 0 : true
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Members that only an answer has. */
export const resultNames: ReadonlySet<string> = new Set([
  'choices', 'output', 'content', 'data', 'results', 'result', 'embeddings', 'text', 'input_tokens', 'completion',
  'score', 'scores', 'images', 'segments', 'tokens',
]) // prettier-ignore

/**
 * The error in a body with a good status: an object with an error and no result, a failed response, or Anthropic's error. Null if the
 * body is an answer.
 */
export function errorInsteadOfAnswer(body: Json): UpstreamError | null {
  const isStated = body['type'] === 'error' || body['object'] === 'error' || body['status'] === 'failed'
  const hasError = saysSomething(body['error']) || (body['success'] === false && saysSomething(body['errors']))
  if (!isStated && !hasError) return null
  if (!isStated && Object.keys(body).some((name) => resultNames.has(name) && saysSomething(body[name]))) return null
  return findUpstreamError(body) ?? { message: '', codes: [], hasFlags: false }
}

/** Prefixes that vendors put before a sentence, e.g. `AnthropicException - ` or `Error: `. They never quote a client's text. */
const prefix = String.raw`^(?:[\w.]{1,40}(?::| -)\s+){0,3}`

function beginsWith(sentences: readonly string[]): RegExp {
  return new RegExp(`${prefix}(?:${sentences.join('|')})`, 'i')
}

/**
 * Codes of a 400 for an invalid key or an empty account. Only codes and the beginning of the message count: the rest may quote the
 * client's text, which must not bench the operator's credential.
 */
const credentialCodes = new Set([
  // OpenAI; Anthropic
  'invalid_api_key', 'account_deactivated', 'billing_hard_limit_reached', 'billing_not_active', 'insufficient_quota',
  'authentication_error', 'billing_error',
  // Google: https://cloud.google.com/apis/design/errors#error_info
  'API_KEY_INVALID', 'API_KEY_EXPIRED', 'API_KEY_SERVICE_BLOCKED', 'BILLING_DISABLED', 'ACCESS_TOKEN_EXPIRED', 'UNAUTHENTICATED',
  // Alibaba; Volcano; Moonshot; DeepSeek
  'Arrearage', 'InvalidApiKey', 'AccountOverdueError', 'invalid_authentication_error', 'exceeded_current_quota_error',
  'insufficient_balance',
  // Groq
  'organization_restricted',
]) // prettier-ignore
const credentialSentences = beginsWith([
  'your credit balance is too low', // Anthropic
  'credit balance is too low',
  'api key (?:not valid|expired|not found|is invalid|is not valid)', // Gemini
  '(?:incorrect|invalid|bad|expired|no valid|missing) (?:api|access)[ -]?(?:key|token)', // OpenAI, xAI, Mistral
  '(?:the |your )?(?:api|access)[ -]?(?:key|token) (?:you provided |provided )?(?:is |was |has )?(?:been )?(?:invalid|incorrect|expired|revoked|disabled|not valid)',
  'insufficient (?:balance|credits?|funds|quota)', // DeepSeek, OpenRouter
  '(?:this |your )?(?:account|organi[sz]ation) has been (?:restricted|suspended|disabled|deactivated)', // Groq
  '(?:your )?account (?:is |has )?(?:an? )?(?:not active|inactive|deactivated|suspended|overdue|insufficient)',
  'you exceeded your current quota, please check your plan and billing',
  'billing hard limit has been reached',
])

export function speaksOfCredential({ codes, message }: UpstreamError): boolean {
  return codes.some((code) => credentialCodes.has(code)) || credentialSentences.test(message)
}

/** Azure, OpenAI, OpenRouter, xAI, Alibaba, Gemini. */
const contentCodes = new Set([
  'content_filter', 'content_policy_violation', 'image_content_policy_violation', 'moderation_blocked', 'content_moderation',
  'ResponsibleAIPolicyViolation', 'data_inspection_failed', 'DataInspectionFailed', 'SAFETY', 'PROHIBITED_CONTENT',
  'sensitive_words_detected', 'invalid_prompt', 'cyber_policy_violation',
]) // prettier-ignore
const contentSentence =
  /\b(?:flagged|moderation|moderated|content[ _-](?:policy|policies|filter\w*|management|violat\w+|restrictions?)|unsafe|safety (?:system|check|filter|guidelines?)|usage (?:guidelines?|polic\w+)|inappropriate|prohibited content)\b/i
/** xAI: `Content violates usage guidelines. Team: …, API key ID: …`; Cloudflare: `Prompt blocked due to security configurations`. */
const ofContent = beginsWith([
  '(?:the |your |this )?(?:content|prompt|input|response)s? (?:\\w+ ){0,3}?(?:violates?|flagged|blocked|filtered)\\b',
])
const accountWord = /\b(?:account|organi[sz]ation|workspace|subscription|api[ -]?key|project)\b/i

/** Whether a refusal is about the content of this request, and not about the credential. */
export function speaksOfContent({ codes, message, hasFlags }: UpstreamError): boolean {
  if (hasFlags || codes.some((code) => contentCodes.has(code))) return true
  return ofContent.test(message) || (contentSentence.test(message) && !accountWord.test(message))
}

const tooLargeSentence = beginsWith(['request (?:is )?too large', 'this request is too large'])
/** OpenAI, Groq: `Limit 30000, Requested 342389`. */
const askedForMore = /\blimit:? (\d{1,12}),(?: used:? \d{1,12},)? requested:? (\d{1,12})\b/i

/** Whether a 429 says that this request is too large, so that it would be refused at any time. */
export function isTooLarge({ codes, message }: UpstreamError): boolean {
  if (codes.includes('request_too_large') || codes.includes('context_length_exceeded')) return true
  const [, limit, requested] = askedForMore.exec(message) ?? []
  if (limit !== undefined && Number(requested) > Number(limit)) return true
  return tooLargeSentence.test(message)
}

/**
 * What servers say of a path that they do not have. FastAPI `Not Found`; gin (Ollama) `404 page not found`; llama.cpp `File Not
 * Found`; LM Studio `Unexpected endpoint or method. (POST /v1/…)`, with 200; OpenAI and Groq `Invalid URL`, `Unknown request URL`;
 * Azure `Resource not found`; Kong `no Route matched`; Express `Cannot POST /v1/…`.
 */
const pathSentence = beginsWith([
  '(?:404:? )?(?:page |file |resource |path |url |route |endpoint )?not found\\.?$',
  '404 page not found',
  'method not allowed',
  'invalid url',
  'unknown request url',
  'unexpected endpoint or method',
  'no route matched',
  'cannot (?:post|get) /',
  'no (?:such )?(?:route|endpoint|path)\\b',
])

/** Whether a 404 or 405 is about the path and not about the model, by its body. `error` is null if the body has no readable error. */
export function speaksOfPath(error: UpstreamError | null): boolean {
  if (!error) return true
  if (error.codes.includes('unknown_url')) return true
  return pathSentence.test(error.message) && !error.codes.includes('model_not_found')
}

const unsupportedSentence = beginsWith([
  'this server does not support (?:chat )?(?:completions|embeddings|reranking|infill)\\b',
])

/** Whether a 501 says that no such operation is served, as llama.cpp does where it was started without `--embeddings`. */
export function lacksOperation({ message }: UpstreamError): boolean {
  return unsupportedSentence.test(message)
}

/** TGI answers 424 where its own shard failed, and Bedrock where its model did. */
export function saysGenerationFailed({ codes, message }: UpstreamError): boolean {
  if (codes.includes('generation') || codes.includes('ModelErrorException')) return true
  return /^request failed during generation\b/i.test(message)
}

/** OpenAI `previous_response_not_found`; vLLM and OpenAI `Response with id 'resp_…' not found`, `Conversation with id …`. */
const unknownStateSentence = beginsWith([
  '(?:previous )?(?:response|conversation) (?:with id )?\\S{1,256} (?:was )?not found',
])

/** Whether it says that the response or conversation that a request refers to is not known there. */
export function saysUnknownState({ codes, message }: UpstreamError): boolean {
  return codes.includes('previous_response_not_found') || unknownStateSentence.test(message)
}

/** Whether a body names `stream_options`, in a message or in FastAPI's list of locations. */
export function namesStreamOptions(body: string): boolean {
  return /\bstream_options\b|\binclude_usage\b/.test(body.slice(0, maxMessageLength))
}
