import { useState } from 'react'
import { useQuery } from 'urql'
import { graphql, type ResultOf } from '../api/graphql.ts'
import { useConfigQuery } from '../live/config-version.tsx'
import { percent, words } from '../ui/figures.ts'
import { Source } from '../ui/source.tsx'
import { Loaded } from '../ui/state.tsx'
import type { RouteDetail } from './route-details.ts'

const Explain = graphql(`
  query Explain($model: String!, $apiKeyId: ID, $operation: String!) {
    routeExplain(input: { model: $model, apiKeyId: $apiKeyId, operation: $operation }) {
      refusal
      refusalCode
      route {
        id
        name
        revision
      }
      candidates {
        isFallback
        probability
        availability
        upstreamModel
        backend {
          __typename
          id
          label
          health {
            circuit
            lastError
          }
        }
      }
    }
  }
`)

const CallerKeys = graphql(`
  query CallerKeys {
    apiKeys(first: 100, state: ACTIVE) {
      edges {
        node {
          id
          name
        }
      }
    }
  }
`)

type Explanation = ResultOf<typeof Explain>['routeExplain']

const operations = [
  '/v1/chat/completions',
  '/v1/responses',
  '/v1/messages',
  '/v1/completions',
  '/v1/embeddings',
  '/v1/rerank',
  '/v1/images/generations',
  '/v1/audio/transcriptions',
  '/v1/audio/speech',
]

/** What the gateway would do with a request, step by step, and why. */
export function RouteWhy({ route }: { readonly route: RouteDetail }) {
  const keys = useConfigQuery(CallerKeys, {})
  const [apiKeyId, setApiKeyId] = useState<string>()
  const [operation, setOperation] = useState(operations[0]!)
  const choices = keys.data?.apiKeys.edges.map(({ node }) => node) ?? []
  const caller = apiKeyId ?? (route.access.policy === 'PUBLIC' ? '' : (choices[0]?.id ?? ''))
  const variables = { model: route.name, apiKeyId: caller || null, operation }
  const [{ data, error }, execute] = useQuery({ query: Explain, variables, requestPolicy: 'network-only' })
  return (
    <section className="panel" aria-labelledby="why-title">
      <header>
        <h2 id="why-title">What would happen to a request now</h2>
        <Source of="Why" document={Explain} variables={variables} />
      </header>
      <div className="form-grid">
        <label>
          Key of the caller
          <select value={caller} onChange={(event) => setApiKeyId(event.target.value)}>
            <option value="">none</option>
            {choices.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Operation
          <select value={operation} onChange={(event) => setOperation(event.target.value)}>
            {operations.map((path) => (
              <option key={path}>{path}</option>
            ))}
          </select>
        </label>
        <button type="button" onClick={() => execute({ requestPolicy: 'network-only' })}>
          Ask again
        </button>
      </div>
      <Loaded data={data} fault={error?.message}>
        {({ routeExplain }) => <Ladder explanation={routeExplain} model={route.name} />}
      </Loaded>
    </section>
  )
}

function Ladder({ explanation, model }: { readonly explanation: Explanation; readonly model: string }) {
  const { refusal, refusalCode, route, candidates } = explanation
  const weighted = candidates.filter(({ isFallback }) => !isFallback)
  const fallbacks = candidates.filter(({ isFallback }) => isFallback)
  return (
    <ol className="ladder" aria-live="polite">
      <Step isGood={route !== null} title={`Route ${model}`}>
        {route ? `found, at revision ${route.revision}` : 'not found for this caller'}
      </Step>
      <Step isGood={refusal === null} title="Caller and operation">
        {refusal === null ? 'let in' : `refused with ${refusal} ${refusalCode ?? ''}`}
      </Step>
      {weighted.map((candidate) => (
        <CandidateStep key={candidate.backend.id} candidate={candidate} />
      ))}
      {fallbacks.map((candidate, index) => (
        <CandidateStep key={candidate.backend.id} candidate={candidate} position={index + 1} />
      ))}
    </ol>
  )
}

function CandidateStep({
  candidate,
  position,
}: {
  readonly candidate: Explanation['candidates'][number]
  readonly position?: number
}) {
  const { backend, probability, availability, upstreamModel } = candidate
  const isAvailable = availability === 'AVAILABLE'
  return (
    <Step
      isGood={isAvailable}
      title={position === undefined ? backend.label : `Fallback ${position}: ${backend.label}`}
    >
      {position === undefined ? `chosen in ${percent(probability)} of the cases` : 'if those before fail or are full'}
      {isAvailable ? '' : `; ${words(availability)}`}, as <code>{upstreamModel}</code>
      {backend.health?.lastError && <span className="fault"> last error: {backend.health.lastError}</span>}
    </Step>
  )
}

function Step({
  isGood,
  title,
  children,
}: {
  readonly isGood: boolean
  readonly title: string
  readonly children: React.ReactNode
}) {
  return (
    <li className={isGood ? 'good' : 'bad'}>
      <b>
        <span className="sr-only">{isGood ? 'yes: ' : 'no: '}</span>
        {title}
      </b>
      <span>{children}</span>
    </li>
  )
}
