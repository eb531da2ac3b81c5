import { useState } from 'react'
import { count, milliseconds, money, words } from '../ui/figures.ts'
import { Clock } from '../ui/time.tsx'
import type { Logged } from './request-documents.ts'

export function RequestRow({ request }: { readonly request: Logged }) {
  const [isOpen, setOpen] = useState(false)
  const { startedAt, routeName, requestedModel, outcome, firstByteMs, durationMs, inputTokens, outputTokens, cost } =
    request
  return (
    <tbody data-request={request.id}>
      <tr>
        <td>
          <button
            type="button"
            className="quiet disclose"
            aria-expanded={isOpen}
            aria-label={`Details of the request at ${new Date(startedAt).toLocaleTimeString('en-GB')}`}
            onClick={() => setOpen(!isOpen)}
          >
            {isOpen ? '▾' : '▸'}
          </button>{' '}
          <Clock instant={startedAt} />
        </td>
        <td>{routeName ?? <span className="hint">{requestedModel ?? 'none'}</span>}</td>
        <td className="chain-text">{chainOf(request)}</td>
        <td>
          <span className={`badge flush ${toneOf(outcome)}`}>{words(outcome)}</span>
        </td>
        <td className="number">{firstByteMs === null ? '—' : milliseconds(firstByteMs)}</td>
        <td className="number">{milliseconds(durationMs)}</td>
        <td className="number">{inputTokens === null ? '—' : `${count(inputTokens)} → ${count(outputTokens ?? 0)}`}</td>
        <td className="number">{money(cost)}</td>
        <td>{request.apiKeyName ?? <span className="hint">no key</span>}</td>
      </tr>
      {isOpen && (
        <tr>
          <td colSpan={9}>
            <Timeline request={request} />
          </td>
        </tr>
      )}
    </tbody>
  )
}

/** `m-b 404 → m-a 200` */
function chainOf({ attempts, status, errorCode }: Logged): string {
  if (attempts.length === 0) return `no attempt: ${status} ${errorCode ?? ''}`.trim()
  return attempts
    .map((attempt) => `${attempt.backendLabel} ${attempt.status ?? words(attempt.trigger ?? 'no answer')}`)
    .join(' → ')
}

function toneOf(outcome: Logged['outcome']): string {
  if (outcome === 'OK') return 'good'
  return outcome === 'OK_BY_FALLBACK' || outcome === 'CANCELLED' || outcome === 'CLIENT_ERROR' ? 'warn' : 'bad'
}

/** The attempts one after the other, in the request's whole time. */
function Timeline({ request }: { readonly request: Logged }) {
  const { attempts, durationMs, overheadMs } = request
  const total = Math.max(durationMs, ...attempts.map((attempt) => attempt.durationMs), 1)
  let beganMs = 0
  return (
    <div className="timeline">
      <ol>
        {attempts.map((attempt) => {
          const from = Math.min(beganMs / total, 1)
          beganMs += attempt.durationMs
          const length = Math.min(attempt.durationMs / total, 1 - from)
          return (
            <li key={attempt.number} className={attempt.trigger === null ? 'good' : 'bad'}>
              <span>
                {attempt.number}. {attempt.backendLabel}
              </span>
              <span className="track" aria-hidden="true">
                <i style={{ marginLeft: `${from * 100}%`, width: `max(3px, ${length * 100}%)` }} />
              </span>
              <span>{milliseconds(attempt.durationMs)}</span>
              <p className="hint">
                {[
                  attempt.status,
                  attempt.trigger && words(attempt.trigger),
                  attempt.endpointUrl,
                  attempt.credentialHint && `credential ${attempt.credentialHint}`,
                  attempt.upstreamRequestId && `upstream’s id ${attempt.upstreamRequestId}`,
                ]
                  .filter(Boolean)
                  .join(' · ')}
              </p>
              {attempt.error && <p className="fault">{attempt.error}</p>}
            </li>
          )
        })}
      </ol>
      <dl className="facts">
        <Fact name="x-request-id">
          <code>{request.id}</code>
        </Fact>
        <Fact name="operation">{request.operation}</Fact>
        <Fact name="model asked for">{request.requestedModel ?? 'none'}</Fact>
        <Fact name="route’s revision">{request.routeRevision ?? '—'}</Fact>
        <Fact name="status">{request.status}</Fact>
        <Fact name="error">{request.errorCode ?? 'none'}</Fact>
        <Fact name="stream">{request.stream ? 'yes' : 'no'}</Fact>
        <Fact name="tokens">{words(request.provenance)}</Fact>
        <Fact name="gateway’s own part">{milliseconds(overheadMs)}</Fact>
        <Fact name="user">{request.userName ?? '—'}</Fact>
      </dl>
    </div>
  )
}

function Fact({ name, children }: { readonly name: string; readonly children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
