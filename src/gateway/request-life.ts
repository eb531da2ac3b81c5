import { hash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { authenticate, authorise, type Caller, isRefusal } from '../routing/access.ts'
import {
  type Classification,
  classifyFailure,
  classifyStatus,
  mayMeanContextLength,
  parseRetryAfter,
  saysContextLength,
} from '../routing/classify.ts'
import { type GatewayErrorCode, gatewayErrors } from '../routing/errors.ts'
import { matchRoute } from '../routing/match.ts'
import {
  type AttemptPlan,
  type FinalAnswer,
  nextAttempt,
  stageWithoutTarget,
  type WaitPlan,
  watchesContextLength,
} from '../routing/next-attempt.ts'
import { findOperation, modelsOperation, type Operation } from '../routing/operation.ts'
import type { Route, Snapshot } from '../routing/snapshot.ts'
import type { FallbackTrigger, RequestOutcome } from '../routing/vocabulary.ts'
import type { PassedAnswer } from './answer-tokens.ts'
import { errorBody, errorEvent } from './error-answer.ts'
import type { GatewayContext } from './gateway-context.ts'
import { FormRequest } from './form-request.ts'
import { JsonRequest } from './json-request.ts'
import type { Permit } from './live/permit.ts'
import type { Wait } from './live/waiting-room.ts'
import { modelBody, modelNameOf, modelsBody } from './models-answer.ts'
import { boundaryOf, MultipartScan } from './multipart-scan.ts'
import { PlainRelay } from './plain-relay.ts'
import type { ReceivedRequest } from './received-request.ts'
import { type AnswerSink, join, type Relay, type RelayEnd } from './relay.ts'
import { RequestBody } from './request-body.ts'
import { bodyKindOf, type Fault, messageFault, operationFault } from './request-edges.ts'
import { type RequestHead, readHead } from './request-head.ts'
import { createRequestId } from './request-id.ts'
import { RequestQuestion } from './request-question.ts'
import { RequestScan } from './request-scan.ts'
import { RequestUsage } from './request-usage.ts'
import { passedHeaders } from './response-headers.ts'
import type { Member } from './roster.ts'
import { SpooledBody } from './spooled-body.ts'
import { streamProtocolOf } from './stream-protocol.ts'
import { StreamRelay } from './stream-relay.ts'
import { type CallOpening, UpstreamCall } from './upstream-call.ts'
import { upstreamRequest } from './upstream-request.ts'

/** An answer that was read whole, for the case that no other comes. */
interface KeptAnswer {
  readonly status: number
  readonly headers: string[]
  readonly body: Buffer
}

/** Status of a client that left before any byte of an answer: nginx' word for it. */
const clientLeft = 499

/** Shorter bodies are read to their end when the answer does not wait for them; longer ones cost the connection. */
const maxIgnoredBytes = 64 * 1024
const lingerMs = 1_000

/** The life of one request, from its headers to the last byte of its answer, in the order in which it happens. */
export class RequestLife implements Member {
  rosterIndex = -1
  readonly id: string
  readonly #context: GatewayContext
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #head: RequestHead
  readonly #path: string
  readonly #query: string
  /** Read once: all attempts see the same configuration. */
  readonly #snapshot: Snapshot
  readonly #usage: RequestUsage
  #operation: Operation = modelsOperation
  #received: ReceivedRequest | null = null
  #heldBytes = 0
  #wait: Wait | null = null
  #call: UpstreamCall | null = null
  #permit: Permit | null = null
  #relay: Relay | null = null
  #keptAnswer: KeptAnswer | null = null
  /** Its record is written, and nothing is decided any more. */
  #isOver = false

  constructor(context: GatewayContext, request: IncomingMessage, response: ServerResponse) {
    const startedAtMs = Date.now()
    this.id = createRequestId(startedAtMs)
    this.#context = context
    this.#request = request
    this.#response = response
    this.#head = readHead(request.rawHeaders)
    const target = request.url ?? ''
    const queryAt = target.indexOf('?')
    this.#path = queryAt < 0 ? target : target.slice(0, queryAt)
    this.#query = queryAt < 0 ? '' : target.slice(queryAt)
    this.#snapshot = context.ports.snapshot()
    this.#usage = new RequestUsage(context.ports, this.id, startedAtMs)
    context.lives.add(this)
    response.on('close', () => this.#close())
  }

  /** Runs it to its end. Never rejects. */
  async run(): Promise<void> {
    try {
      await this.#live()
    } catch (error) {
      this.#context.ports.log.error({ requestId: this.id, err: error }, 'a request failed inside the gateway')
      if (this.#isOver) this.#response.destroy()
      else this.#refuse({ code: 'internal_error' })
    }
  }

  async #live(): Promise<void> {
    const operation = this.#enter()
    if (!operation) return
    const caller = this.#identify()
    if (!caller) return
    if (operation.upstreamPath === null) return this.#answerModels(operation, caller)
    const request = await this.#receive(operation)
    if (!request) return
    const route = this.#admit(request, caller)
    if (!route) return
    await this.#serve(operation, route, request)
  }

  /** The gateway is closing and waits no longer. */
  expire(): void {
    if (this.#relay) this.#relay.cut()
    else this.#refuse({ code: 'shutting_down' })
    this.#leaveUpstream()
  }

  // ── 1. what is asked for ──

  #enter(): Operation | null {
    const { limits, lives, heldBytes } = this.#context
    const fault = messageFault(this.#request, this.#head)
    const operation = findOperation(this.#path)
    this.#usage.operation = operation?.path ?? 'unknown'
    if (operation) this.#operation = operation
    if (fault) return this.#refuse(fault)
    if (!operation) return this.#refuse({ code: 'unknown_url', detail: encodeURI(this.#path) })
    if (lives.size > limits.maxRequestsInFlight || heldBytes > limits.maxHeldBytes)
      return this.#refuse({ code: 'overloaded' }, 1_000)
    const unfit = operationFault(this.#request, this.#head, operation, limits.maxRequestBytes)
    return unfit ? this.#refuse(unfit) : operation
  }

  // ── 2. who asks ──

  #identify(): Caller | null {
    const { key } = this.#head
    const keyHash = key === null ? null : hash('sha256', key, 'hex')
    const caller = authenticate(this.#snapshot, keyHash, this.#usage.startedAtMs)
    if (isRefusal(caller)) return this.#refuse({ code: caller.code })
    this.#usage.caller = caller
    return caller
  }

  #answerModels(operation: Operation, caller: Caller): void {
    if (operation === modelsOperation) return this.#answer(modelsBody(this.#snapshot, caller))
    const name = modelNameOf(this.#path)
    const body = name === undefined ? undefined : modelBody(this.#snapshot, caller, name)
    this.#usage.requestedModel = name ?? null
    if (body) this.#answer(body)
    else this.#refuse({ code: 'model_not_found', detail: `\`${encodeURI(name ?? '')}\`` })
  }

  // ── 3. the body, and what it says of itself ──

  async #receive(operation: Operation): Promise<ReceivedRequest | null> {
    if (this.#head.expectation !== null) this.#response.writeContinue()
    const isForm = bodyKindOf(this.#head, operation) === 'multipart'
    const request = await (isForm ? this.#receiveForm() : this.#receiveJson(operation))
    if (!request) return null
    this.#received = request
    this.#usage.stream = request.stream
    this.#usage.requestedModel = request.model
    return request
  }

  async #receiveJson(operation: Operation): Promise<ReceivedRequest | null> {
    const scan = new RequestScan()
    const chunks: Buffer[] = []
    const size = await this.#readBody((chunk) => {
      chunks.push(chunk)
      scan.push(chunk)
    })
    if (size === null) return null
    this.#hold(size)
    const result = scan.finish()
    return result.ok ? new JsonRequest(operation, result.request, chunks, size) : this.#refuse({ code: result.fault })
  }

  async #receiveForm(): Promise<ReceivedRequest | null> {
    const boundary = boundaryOf(this.#head.contentType)
    if (boundary === undefined) return this.#refuse({ code: 'invalid_multipart' })
    const scan = new MultipartScan(boundary)
    const body = new SpooledBody()
    this.#response.once('close', () => body[Symbol.dispose]())
    const size = await this.#readBody((chunk) => {
      scan.push(chunk)
      if (!body.push(chunk)) this.#waitForDisk(body)
    })
    if (size === null) return null
    await body.flushed()
    if (this.#isOver) return null
    this.#hold(body.heldBytes)
    const result = scan.finish()
    return result.ok ? new FormRequest(result.form, body) : this.#refuse({ code: result.fault })
  }

  #waitForDisk(body: SpooledBody): void {
    this.#request.pause()
    const resume = () => void this.#request.resume()
    body.flushed().then(resume, resume)
  }

  /** The bytes of the body, or null: it did not come whole, and that has been answered. */
  async #readBody(onChunk: (chunk: Buffer) => void): Promise<number | null> {
    const { limits, silence } = this.#context
    const begunAtMs = performance.now()
    const body = new RequestBody(this.#request, limits.maxRequestBytes, silence, onChunk)
    const end = await body.end
    this.#usage.receivingMs = performance.now() - begunAtMs
    if (this.#isOver || end === 'left') return null
    if (end === 'tooLarge') return this.#refuse({ code: 'request_too_large' })
    return end === 'silent' ? this.#refuse({ code: 'request_timeout' }) : body.size
  }

  #hold(bytes: number): void {
    this.#heldBytes = bytes
    this.#context.heldBytes += bytes
  }

  // ── 4. the route, and whether the caller may use it ──

  #admit(request: ReceivedRequest, caller: Caller): Route | null {
    const route = matchRoute(this.#snapshot, request.model)
    const refusal = authorise(route, caller)
    if (refusal) {
      const detail = `\`${encodeURI(request.model.toWellFormed())}\``
      return this.#refuse({ code: refusal.code, detail }, refusal.status === 503 ? 1_000 : null)
    }
    this.#usage.route = route!
    this.#usage.open()
    this.#context.live.recordRequest(route!.id)
    return route!
  }

  // ── 5. attempts, until one is an answer ──

  async #serve(operation: Operation, route: Route, request: ReceivedRequest): Promise<void> {
    const { live } = this.#context
    const question = new RequestQuestion(this.#snapshot, route, live, this.#usage, request.head)
    while (!this.#isOver) {
      question.nowMs = Date.now()
      const step = nextAttempt(question)
      if (step.divergence) this.#usage.diverged(step.divergence)
      if (step.kind === 'stop') return this.#conclude(step.answer)
      if (step.isFallback) this.#usage.fallbackTrigger ??= this.#findTrigger(route)
      const granted = step.kind === 'wait' ? await this.#waitFor(step, question) : this.#open(step, route)
      if (!granted) continue
      const call = await this.#attempt(granted.plan, granted.permit, route, operation, request)
      if (call) return this.#pass(call, operation, request)
    }
  }

  #open(plan: AttemptPlan, route: Route): { plan: AttemptPlan; permit: Permit } {
    if (plan.isRepeat) this.#context.live.takeRepeat(route.id)
    return { plan, permit: this.#context.live.open(plan) }
  }

  async #waitFor(step: WaitPlan, question: RequestQuestion): Promise<{ plan: AttemptPlan; permit: Permit } | null> {
    const attempt = this.#usage.begin(step)
    this.#wait = this.#context.live.wait(step, question.prefixHash, question.deadlineAtMs)
    const result = await this.#wait.result
    this.#wait = null
    if (result.kind === 'granted') {
      if (this.#isOver) result.permit[Symbol.dispose]()
      else this.#usage.attempts.pop()
      return this.#isOver ? null : result
    }
    attempt.trigger = 'SATURATED'
    return null
  }

  /** Why a fallback is about to be asked: what became of the last attempt, or why there was none. */
  #findTrigger(route: Route): FallbackTrigger {
    const last = this.#usage.attempts.at(-1)
    return last?.trigger ?? stageWithoutTarget(this.#snapshot, route, this.#context.live).trigger
  }

  /** The call if it brought an answer for the client, else null. */
  async #attempt(
    plan: AttemptPlan,
    permit: Permit,
    route: Route,
    operation: Operation,
    request: ReceivedRequest,
  ): Promise<UpstreamCall | null> {
    const attempt = this.#usage.begin(plan)
    const call = this.#send(plan, route, operation, request)
    this.#call = call
    this.#permit = permit
    const opening = await call.opening
    if (this.#isOver) return null
    const classification = classify(call, opening, route)
    attempt.status = call.status || null
    permit.observe({
      classification,
      status: attempt.status,
      retryAfterMs: parseRetryAfter(oneOf(call.headers['retry-after']), Date.now()),
      error: call.failure,
    })
    if (classification === 'answer') return call
    attempt.trigger = classification
    attempt.endedAtMs = performance.now()
    this.#keep(call)
    this.#leaveUpstream()
    return null
  }

  #send(plan: AttemptPlan, route: Route, operation: Operation, request: ReceivedRequest): UpstreamCall {
    const { connections } = this.#context
    const { backend } = plan
    const client = { operation, query: this.#query, forwarded: this.#head.forwarded, requestId: this.id }
    const dispatcher =
      backend.kind === 'deployment' ? connections.forDeployments() : connections.forProvider(backend.provider.proxyUrl)
    const { body, length } = request.bodyFor(backend)
    const { totalMs, ...timeouts } = route.timeouts
    return new UpstreamCall(
      dispatcher,
      { ...upstreamRequest(plan, client, length), body },
      { ...timeouts, totalMs: this.#usage.startedAtMs + totalMs - Date.now() },
      streamProtocolOf(operation),
    )
  }

  #keep(call: UpstreamCall): void {
    if (call.status === 0 || !(call.isComplete || call.isStream)) return
    const headers = withoutLength(passedHeaders(call.headers))
    this.#keptAnswer = { status: call.status, headers, body: join(call.peekChunks()) }
  }

  // ── 6. the answer ──

  #pass(call: UpstreamCall, operation: Operation, request: ReceivedRequest): void {
    const passed = passedHeaders(call.headers)
    const headers = [...(call.isStream ? withoutLength(passed) : passed), ...this.#ownHeaders()]
    if (call.headers.date !== undefined) this.#response.sendDate = false
    this.#letBodyGo()
    const sink: AnswerSink = {
      response: this.#response,
      status: call.status,
      headers,
      beforeLastByte: (end, release) => this.#endRelay(end, release),
    }
    if (!call.isStream) {
      this.#relay = new PlainRelay(call, sink)
      return
    }
    this.#usage.stream = true
    this.#relay = new StreamRelay(call, sink, {
      protocol: streamProtocolOf(operation),
      dropsUsageEvent: request.addsUsage,
      errorEvent: (code) => errorEvent(code, operation, this.id),
    })
  }

  #endRelay(end: RelayEnd, release: () => void): void {
    const call = this.#call!
    if (end === 'broken' || end === 'late')
      this.#permit?.observe({
        classification: classifyFailure(end === 'late'),
        status: null,
        retryAfterMs: null,
        error: call.failure,
      })
    const attempt = this.#usage.attempts.at(-1)!
    attempt.endedAtMs = call.endedAtMs
    const served = attempt.isFallback ? 'OK_BY_FALLBACK' : 'OK'
    const outcome = end !== 'whole' ? 'TRUNCATED' : call.status < 400 ? served : 'CLIENT_ERROR'
    this.#end(outcome, call.status, null, release)
  }

  /** Nothing more is tried: the last answer that came, or why there is none. */
  #conclude(answer: FinalAnswer): void {
    const kept = this.#keptAnswer
    if (answer.kind === 'error') return void this.#refuse({ code: answer.code }, answer.retryAfterMs)
    if (!kept) return void this.#refuse({ code: 'upstream_unreachable' })
    const isOwnFault = this.#usage.attempts[answer.attemptIndex]?.trigger === 'CONTEXT_LENGTH'
    const headers = [...kept.headers, ...this.#ownHeaders(), 'content-length', String(kept.body.length)]
    this.#end(isOwnFault ? 'CLIENT_ERROR' : 'UPSTREAM_ERROR', kept.status, null, () =>
      this.#write(kept.status, headers, kept.body),
    )
  }

  #answer(body: Buffer): void {
    const headers = ['content-type', 'application/json', 'content-length', String(body.length), ...this.#ownHeaders()]
    this.#end('OK', 200, null, () => this.#write(200, headers, body))
  }

  /** Answers with an error of the gateway's own. Null, so that a step can end with it. */
  #refuse(fault: Fault, retryAfterMs: number | null = null): null {
    const { code, detail } = fault
    const { status } = gatewayErrors[code]
    const body = errorBody(code, this.#operation.protocol, this.id, detail)
    const headers = ['content-type', 'application/json', 'content-length', String(body.length), ...this.#ownHeaders()]
    if (retryAfterMs !== null) headers.push('retry-after', String(Math.ceil(retryAfterMs / 1000)))
    if (code === 'method_not_allowed') headers.push('allow', this.#operation.method)
    this.#end(outcomeOf(code), status, code, () => this.#write(status, headers, body))
    return null
  }

  #ownHeaders(): string[] {
    const { route, attempts, fallbackTrigger } = this.#usage
    const sent = attempts.filter((attempt) => attempt.wasSent)
    const headers = ['x-request-id', this.id, 'x-signalbox-attempts', String(sent.length)]
    if (route) headers.push('x-signalbox-route', route.name, 'x-signalbox-revision', String(route.revision))
    const last = sent.at(-1)
    if (last) headers.push('x-signalbox-backend', encodeURIComponent(last.plan.backend.label))
    if (last?.isFallback && fallbackTrigger) headers.push('x-signalbox-fallback', fallbackTrigger.toLowerCase())
    if (this.#context.isDraining) headers.push('connection', 'close')
    return headers
  }

  // ── 7. the end ──

  /** Writes the record, once, and lets the last byte go when that is safe. */
  #end(outcome: RequestOutcome, status: number, errorCode: string | null, release: () => void): void {
    if (this.#isOver) return
    this.#isOver = true
    const isAnswer = outcome === 'OK' || outcome === 'OK_BY_FALLBACK'
    const firstByteAtMs = this.#relay?.firstByteAtMs || (isAnswer ? performance.now() : 0)
    this.#usage.end({ outcome, status, errorCode, firstByteAtMs, answer: this.#passedAnswer(outcome) }, release)
    if (!this.#call || this.#call.isComplete) this.#permit?.[Symbol.dispose]()
  }

  #passedAnswer(outcome: RequestOutcome): PassedAnswer | null {
    const request = this.#received
    if (!this.#relay || !request || outcome === 'CLIENT_ERROR') return null
    const isWhole = outcome === 'OK' || outcome === 'OK_BY_FALLBACK'
    return { kind: this.#operation.usage, bytes: this.#relay.bytes, isWhole, request }
  }

  #write(status: number, headers: string[], body: Buffer): void {
    const response = this.#response
    if (response.headersSent) return void response.destroy()
    if (!this.#ignoresBody()) {
      response.writeHead(status, headers)
      response.end(body)
      return
    }
    // Closed at once, the connection would be reset, and the client, still sending, might never read the answer.
    response.writeHead(status, [...headers, 'connection', 'close'])
    response.write(body)
    const end = () => response.end()
    const timer = setTimeout(end, lingerMs)
    this.#request
      .once('close', () => clearTimeout(timer))
      .once('end', end)
      .resume()
  }

  /** Whether so much of the body has not come that it is not worth reading. */
  #ignoresBody(): boolean {
    if (this.#request.complete) return false
    const { contentLength, isChunked } = this.#head
    return isChunked || (contentLength ?? 0) > maxIgnoredBytes
  }

  /** The response is over: all of it was sent, or the client has left. */
  #close(): void {
    this.#end('CANCELLED', this.#response.headersSent ? this.#response.statusCode : clientLeft, null, () => {})
    this.#wait?.leave()
    this.#leaveUpstream()
    this.#letBodyGo()
    this.#context.lives.delete(this)
  }

  #letBodyGo(): void {
    this.#received?.release()
    this.#context.heldBytes -= this.#heldBytes
    this.#heldBytes = 0
  }

  #leaveUpstream(): void {
    this.#call?.abandon()
    this.#permit?.[Symbol.dispose]()
    this.#call = null
    this.#permit = null
  }
}

function classify(call: UpstreamCall, opening: CallOpening, route: Route): Classification {
  switch (opening) {
    case 'answering':
      if (call.isBroken) return classifyFailure(false)
      return classifyStatus(call.status, watchesContextLength(route) && isContextLengthError(call))
    case 'failedStream':
      return classifyStatus(call.streamErrorStatus)
    case 'firstByteTimeout':
    case 'expired':
      return classifyFailure(true)
    case 'connectTimeout':
    case 'unreachable':
    case 'abandoned':
      // The call was never made, and no other upstream would take it either.
      if (call.failure === 'UND_ERR_INVALID_ARG') throw new Error('undici refused a request of ours')
      return classifyFailure(false)
  }
}

function isContextLengthError(call: UpstreamCall): boolean {
  return mayMeanContextLength(call.status) && call.isComplete && saysContextLength(join(call.peekChunks()).toString())
}

function outcomeOf(code: GatewayErrorCode): RequestOutcome {
  switch (code) {
    case 'invalid_api_key':
    case 'route_not_allowed':
      return 'DENIED'
    case 'upstream_timeout':
      return 'TIMEOUT'
    case 'upstream_unreachable':
    case 'upstream_auth_failed':
    case 'upstream_truncated':
    case 'no_target_available':
      return 'UPSTREAM_ERROR'
    case 'internal_error':
    case 'overloaded':
    case 'shutting_down':
      return 'GATEWAY_ERROR'
    case 'bad_request':
    case 'invalid_json':
    case 'invalid_multipart':
    case 'missing_model':
    case 'duplicate_model':
    case 'model_not_found':
    case 'unknown_url':
    case 'method_not_allowed':
    case 'request_timeout':
    case 'request_too_large':
    case 'unsupported_media_type':
    case 'expectation_failed':
    case 'headers_too_large':
      return 'CLIENT_ERROR'
  }
}

function oneOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

/** Of headers as name, value, name, value, … */
function withoutLength(headers: string[]): string[] {
  const at = headers.indexOf('content-length')
  return at < 0 ? headers : headers.toSpliced(at, 2)
}
