/** What a small, correct model server answers to each operation: enough of the OpenAI and Anthropic APIs for their official clients. */
import type { Exchange, Reply } from './exchange.ts'
import { status, stream } from './replies.ts'

export interface ModelAnswerOptions {
  /** Default: `hello from <name of the upstream>`. */
  readonly text?: string
  readonly secret?: string | undefined
  readonly usage?: ModelUsage
  /** Pause between the events of a stream. */
  readonly pauseMs?: number
  readonly beforeEvent?: (index: number) => Promise<unknown> | undefined
}

export interface ModelUsage {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cachedInputTokens?: number
  readonly reasoningTokens?: number
}

interface Question {
  readonly model: string
  readonly text: string
  readonly usage: Required<ModelUsage>
  readonly body: Record<string, unknown>
  readonly options: ModelAnswerOptions
}

type Answer = (question: Question) => Reply

/** Tokens of every answer that does not say otherwise. */
export const defaultUsage: Required<ModelUsage> = {
  inputTokens: 11,
  outputTokens: 3,
  cachedInputTokens: 0,
  reasoningTokens: 0,
}

const answers: Readonly<Record<string, Answer>> = {
  '/v1/chat/completions': (q) => (q.body['stream'] === true ? chatStream(q) : status(200, chatCompletion(q))),
  '/v1/completions': (q) => (q.body['stream'] === true ? completionStream(q) : status(200, completion(q))),
  '/v1/embeddings': (q) => status(200, embeddings(q)),
  '/v1/responses': (q) => (q.body['stream'] === true ? responseStream(q) : status(200, response(q, 'completed'))),
  '/v1/messages': (q) => (q.body['stream'] === true ? messageStream(q) : status(200, message(q))),
  '/v1/messages/count_tokens': (q) => status(200, { input_tokens: q.usage.inputTokens }),
  '/v1/rerank': (q) => status(200, rerank(q)),
  '/v2/rerank': (q) => status(200, { ...rerank(q), meta: { billed_units: { search_units: 1 } } }),
  '/v1/score': (q) => status(200, score(q)),
  '/v1/moderations': (q) => status(200, moderation(q)),
  '/v1/images/generations': () => status(200, images),
  '/v1/images/edits': () => status(200, images),
  '/v1/images/variations': () => status(200, images),
  '/v1/audio/speech': () => status(200, speech, { 'content-type': 'audio/mpeg' }),
  '/v1/audio/transcriptions': (q) => status(200, { text: q.text, usage: audioUsage(q) }),
  '/v1/audio/translations': (q) => status(200, { text: q.text }),
}

/** Bytes that are no text: the answer of `/v1/audio/speech`. */
export const speech: Buffer = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 31) % 256))

const images = { created: 1_700_000_000, data: [{ b64_json: 'aW1hZ2U=' }] }

/** The answer of a model server to any request. */
export function modelAnswer(options: ModelAnswerOptions = {}): Reply {
  return (exchange) => answerTo(exchange, options)(exchange)
}

function answerTo({ request, upstream }: Exchange, options: ModelAnswerOptions): Reply {
  const path = request.path.split('?')[0] ?? ''
  if (path === '/health') return status(200, '')
  if (options.secret && !hasSecret(request.headers, options.secret)) return refusal(401, 'invalid_api_key')
  if (request.method === 'GET') return listing(path, upstream.models)
  const answer = answers[path]
  if (!answer) return refusal(404, 'unknown_url')
  const body = readBody(request.headers['content-type'] ?? '', request.body)
  const model = String(body['model'])
  if (upstream.models.length > 0 && !upstream.models.includes(model)) return refusal(404, 'model_not_found')
  const text = options.text ?? `hello from ${upstream.name}`
  return answer({ model, text, usage: { ...defaultUsage, ...options.usage }, body, options })
}

function hasSecret(headers: Exchange['request']['headers'], secret: string): boolean {
  return (
    headers.authorization === `Bearer ${secret}` || headers['x-api-key'] === secret || headers['api-key'] === secret
  )
}

function refusal(code: number, word: string): Reply {
  return status(code, { error: { message: word, type: 'invalid_request_error', param: null, code: word } })
}

function listing(path: string, models: readonly string[]): Reply {
  const cards = models.map((id) => ({ id, object: 'model', created: 1_700_000_000, owned_by: 'test' }))
  if (path === '/v1/models') return status(200, { object: 'list', data: cards })
  if (path === '/api/tags') return status(200, { models: models.map((name) => ({ name, model: name })) })
  const card = cards.find(({ id }) => path === `/v1/models/${id}`)
  return card ? status(200, card) : refusal(404, 'unknown_url')
}

function readBody(contentType: string, bytes: Buffer): Record<string, unknown> {
  if (!contentType.startsWith('multipart/form-data')) return JSON.parse(bytes.toString()) as Record<string, unknown>
  const fields = bytes.toString('latin1').matchAll(/name="([^"]+)"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]*)\r\n/g)
  return Object.fromEntries([...fields].map(([, name = '', value]) => [name, value]))
}

function chatUsage({ usage }: Question) {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedInputTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  }
}

function audioUsage({ usage }: Question) {
  return {
    type: 'tokens',
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
  }
}

function chatCompletion(q: Question) {
  return {
    id: 'chatcmpl-test',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: q.model,
    choices: [{ index: 0, message: { role: 'assistant', content: q.text }, finish_reason: 'stop', logprobs: null }],
    usage: chatUsage(q),
  }
}

function pieces(text: string): string[] {
  return text.match(/\S+\s*/g) ?? []
}

/** The events of a streamed chat completion, `[DONE]` included. */
export function chatEvents(q: Pick<Question, 'model' | 'text' | 'usage' | 'body' | 'options'>): (object | string)[] {
  const wantsUsage = (q.body['stream_options'] as { include_usage?: boolean } | undefined)?.include_usage === true
  const base = { id: 'chatcmpl-test', object: 'chat.completion.chunk', created: 1_700_000_000, model: q.model }
  const extra = wantsUsage ? { usage: null } : {}
  const chunk = (delta: object, reason: string | null) => ({
    ...base,
    choices: [{ index: 0, delta, finish_reason: reason, logprobs: null }],
    ...extra,
  })
  return [
    chunk({ role: 'assistant', content: '' }, null),
    ...pieces(q.text).map((content) => chunk({ content }, null)),
    chunk({}, 'stop'),
    ...(wantsUsage ? [{ ...base, choices: [], usage: chatUsage(q) }] : []),
    'data: [DONE]\n\n',
  ]
}

function chatStream(q: Question): Reply {
  return stream(chatEvents(q), q.options)
}

function completion(q: Question) {
  return {
    id: 'cmpl-test',
    object: 'text_completion',
    created: 1_700_000_000,
    model: q.model,
    choices: [{ index: 0, text: q.text, finish_reason: 'stop', logprobs: null }],
    usage: chatUsage(q),
  }
}

function completionStream(q: Question): Reply {
  const wantsUsage = (q.body['stream_options'] as { include_usage?: boolean } | undefined)?.include_usage === true
  const { usage, ...base } = completion(q)
  const chunk = (text: string, reason: string | null) => ({
    ...base,
    choices: [{ index: 0, text, finish_reason: reason, logprobs: null }],
  })
  const events = [
    ...pieces(q.text).map((text) => chunk(text, null)),
    chunk('', 'stop'),
    ...(wantsUsage ? [{ ...base, choices: [], usage }] : []),
    'data: [DONE]\n\n',
  ]
  return stream(events, q.options)
}

function embeddings(q: Question) {
  const inputs = Array.isArray(q.body['input']) ? q.body['input'] : [q.body['input']]
  const vector = [0.25, -0.5, 0.75]
  const base64 = Buffer.from(new Float32Array(vector).buffer).toString('base64')
  const embedding = q.body['encoding_format'] === 'base64' ? base64 : vector
  return {
    object: 'list',
    model: q.model,
    data: inputs.map((_, index) => ({ object: 'embedding', index, embedding })),
    usage: { prompt_tokens: q.usage.inputTokens, total_tokens: q.usage.inputTokens },
  }
}

function response(q: Question, state: 'in_progress' | 'completed') {
  const done = state === 'completed'
  return {
    id: 'resp_test',
    object: 'response',
    created_at: 1_700_000_000,
    status: state,
    model: q.model,
    output: done ? [outputMessage(q.text, 'completed')] : [],
    error: null,
    incomplete_details: null,
    usage: done ? responseUsage(q) : null,
  }
}

function outputMessage(text: string, state: string) {
  return { type: 'message', id: 'msg_test', role: 'assistant', status: state, content: [outputText(text)] }
}

function outputText(text: string) {
  return { type: 'output_text', text, annotations: [], logprobs: [] }
}

function responseUsage({ usage }: Question) {
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: { cached_tokens: usage.cachedInputTokens },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.inputTokens + usage.outputTokens,
  }
}

function responseStream(q: Question): Reply {
  const where = { item_id: 'msg_test', output_index: 0, content_index: 0 }
  const events = [
    { type: 'response.created', response: response(q, 'in_progress') },
    { type: 'response.output_item.added', output_index: 0, item: { ...outputMessage('', 'in_progress'), content: [] } },
    { type: 'response.content_part.added', ...where, part: outputText('') },
    ...pieces(q.text).map((delta) => ({ type: 'response.output_text.delta', ...where, delta, logprobs: [] })),
    { type: 'response.output_text.done', ...where, text: q.text, logprobs: [] },
    { type: 'response.content_part.done', ...where, part: outputText(q.text) },
    { type: 'response.output_item.done', output_index: 0, item: outputMessage(q.text, 'completed') },
    { type: 'response.completed', response: response(q, 'completed') },
  ]
  return stream(
    events.map((event, i) => named(event.type, { ...event, sequence_number: i })),
    q.options,
  )
}

function named(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`
}

function messageUsage({ usage }: Question) {
  return {
    input_tokens: usage.inputTokens - usage.cachedInputTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cachedInputTokens,
    output_tokens: usage.outputTokens,
  }
}

function message(q: Question) {
  return {
    id: 'msg_test',
    type: 'message',
    role: 'assistant',
    model: q.model,
    content: [{ type: 'text', text: q.text }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: messageUsage(q),
  }
}

function messageStream(q: Question): Reply {
  const start = { ...message(q), content: [], stop_reason: null, usage: { ...messageUsage(q), output_tokens: 1 } }
  const events = [
    { type: 'message_start', message: start },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'ping' },
    ...pieces(q.text).map((text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
    { type: 'content_block_stop', index: 0 },
    {
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: q.usage.outputTokens },
    },
    { type: 'message_stop' },
  ]
  return stream(
    events.map((event) => named(event.type, event)),
    q.options,
  )
}

function rerank(q: Question) {
  const documents = Array.isArray(q.body['documents']) ? q.body['documents'] : []
  return {
    id: 'rerank-test',
    model: q.model,
    results: documents.map((_, index) => ({ index, relevance_score: 1 / (index + 1) })),
    usage: { total_tokens: q.usage.inputTokens },
  }
}

function score(q: Question) {
  return {
    id: 'score-test',
    object: 'list',
    model: q.model,
    data: [{ index: 0, object: 'score', score: 0.5 }],
    usage: { prompt_tokens: q.usage.inputTokens, total_tokens: q.usage.inputTokens, completion_tokens: 0 },
  }
}

function moderation(q: Question) {
  return { id: 'modr-test', model: q.model, results: [{ flagged: false, categories: {}, category_scores: {} }] }
}
