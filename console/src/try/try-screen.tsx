import { type FormEvent, useState } from 'react'
import { useSearchParams } from 'wouter'
import { gatewayUrl, tryUrl } from '../api/place.ts'
import { useConfigQuery } from '../live/config-version.tsx'
import { FilterChoices } from '../requests/request-documents.ts'
import { useSession } from '../session/session.tsx'
import { milliseconds } from '../ui/figures.ts'
import { formText } from '../ui/form-text.ts'
import { Snippet } from '../ui/source.tsx'
import { Fault } from '../ui/state.tsx'

interface Message {
  readonly role: 'user' | 'assistant'
  readonly content: string
}

interface Answer {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly elapsedMs: number
  readonly fault: string | undefined
}

/** A chat against a route, with what the gateway says of each request. */
export function TryScreen() {
  const { key, may } = useSession()
  const [search, setSearch] = useSearchParams()
  const { data } = useConfigQuery(FilterChoices, {})
  const [messages, setMessages] = useState<readonly Message[]>([])
  const [answer, setAnswer] = useState<Answer>()
  const [isAsking, setAsking] = useState(false)
  const names = data?.routes.edges.map(({ node }) => node.name) ?? []
  const route = search.get('route') ?? names[0] ?? ''

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const asked: Message[] = [...messages, { role: 'user', content: formText(form, 'message') }]
    setMessages(asked)
    setAsking(true)
    const { content, ...facts } = await ask(key, route, asked)
    setAsking(false)
    setAnswer(facts)
    if (content === undefined) return setMessages(messages)
    setMessages([...asked, { role: 'assistant', content }])
    form.reset()
  }

  return (
    <section className="panel" aria-labelledby="try-title">
      <header>
        <h1 id="try-title" className="grow">
          Try it
        </h1>
        <button type="button" className="small" disabled={messages.length === 0} onClick={() => setMessages([])}>
          Begin anew
        </button>
      </header>
      {!may('INFERENCE') && <Fault>This key may not call the gateway: it has not the scope INFERENCE.</Fault>}
      <div className="try">
        <form className="stack" onSubmit={(event) => void submit(event)}>
          <label>
            Route
            <select value={route} onChange={(event) => setSearch({ route: event.target.value }, { replace: true })}>
              {names.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          <ol className="chat" aria-live="polite" aria-label="Conversation">
            {messages.map(({ role, content }, index) => (
              <li key={index} className={role}>
                {content}
              </li>
            ))}
          </ol>
          <label>
            Message
            <textarea name="message" required defaultValue="Who are you?" maxLength={20_000} />
          </label>
          <footer>
            <button className="primary" disabled={isAsking || !route}>
              {isAsking ? 'Waiting for the answer …' : 'Send'}
            </button>
          </footer>
        </form>
        <div>
          <h2>What the gateway says</h2>
          {answer ? (
            <AnswerFacts answer={answer} />
          ) : (
            <p className="hint">The headers of the answer stand here: who served, and how.</p>
          )}
          <Snippet label="curl" text={curlOf(route, messages)} />
        </div>
      </div>
    </section>
  )
}

function AnswerFacts({ answer }: { readonly answer: Answer }) {
  const { status, headers, elapsedMs, fault } = answer
  return (
    <>
      {fault && <Fault>{fault}</Fault>}
      <dl className="headers">
        <dt>status</dt>
        <dd>
          {status} in {milliseconds(elapsedMs)}
        </dd>
        {headers.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  )
}

async function ask(
  key: string,
  model: string,
  messages: readonly Message[],
): Promise<Answer & { readonly content: string | undefined }> {
  const beganMs = performance.now()
  try {
    const response = await fetch(tryUrl, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages }),
      credentials: 'omit',
    })
    const body = (await response.json()) as {
      choices?: { message: { content: string } }[]
      error?: { message: string }
    }
    const content = body.choices?.[0]?.message.content
    const headers = [...response.headers].filter(([name]) => /^x-(signalbox-|request-id)|^retry-after/.test(name))
    const fault = content === undefined ? (body.error?.message ?? 'The answer is no chat completion.') : undefined
    return { status: response.status, headers, elapsedMs: performance.now() - beganMs, fault, content }
  } catch {
    return {
      status: 0,
      headers: [],
      elapsedMs: performance.now() - beganMs,
      fault: 'The answer cannot be read.',
      content: undefined,
    }
  }
}

function curlOf(model: string, messages: readonly Message[]): string {
  const asked = messages.length > 0 ? messages : [{ role: 'user', content: 'Who are you?' }]
  const body = JSON.stringify({ model, messages: asked }).replaceAll("'", String.raw`'\''`)
  return `curl -si ${gatewayUrl()}/v1/chat/completions \\\n  -H "authorization: Bearer $SIGNALBOX_KEY" -H 'content-type: application/json' \\\n  -d '${body}'`
}
