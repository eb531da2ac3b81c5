import { type FormEvent, useId, useState } from 'react'
import { useClient } from 'urql'
import { Link } from 'wouter'
import { Faults } from '../change/faults.tsx'
import type { ChangeFault } from '../change/use-change.ts'
import { useAnnounce } from '../ui/announcer.tsx'
import { withoutSecrets } from '../change/without-secrets.ts'
import { Source } from '../ui/source.tsx'
import { plainMessage } from '../ui/state.tsx'
import type { Field, Step, Story, Values } from './stories.ts'

interface Choice {
  readonly id: string
  readonly name: string
}

interface Props {
  readonly story: Story
  readonly choices: Readonly<Record<'route' | 'backend', readonly Choice[]>>
}

interface Payload {
  readonly userErrors: readonly ChangeFault[]
  readonly warnings?: readonly { readonly message: string }[]
  readonly route?: Choice | null
}

interface Done {
  readonly route: Choice | undefined
  readonly warnings: readonly string[]
}

/** One story with its fields, the button that does it, and each of its steps as GraphQL and curl. */
export function StoryCard({ story, choices }: Props) {
  const client = useClient()
  const announce = useAnnounce()
  const [values, setValues] = useState<Values>(() =>
    Object.fromEntries(story.fields.map(({ name, value = '' }) => [name, value])),
  )
  const [faults, setFaults] = useState<readonly ChangeFault[]>([])
  const [done, setDone] = useState<Done>()
  const [isRunning, setRunning] = useState(false)
  // A choice that nobody made is the first one.
  const chosen = Object.fromEntries(
    story.fields.map(({ name, kind }) => [
      name,
      values[name] || (kind === 'route' || kind === 'backend' ? (choices[kind][0]?.id ?? '') : ''),
    ]),
  )
  const steps = story.steps(chosen)

  const runStep = async ({ document, variables }: Step): Promise<Payload> => {
    const { data, error } = await client.mutation<Record<string, Payload | null>>(document, variables)
    const payload = Object.values(data ?? {}).find((value) => value !== null && typeof value === 'object')
    if (error || !payload)
      return { userErrors: [{ code: 'FAILED', message: plainMessage(error?.message ?? 'The API gave no answer.') }] }
    return payload
  }
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setFaults([])
    setDone(undefined)
    setRunning(true)
    const warnings: string[] = []
    let route: Choice | undefined
    for (const step of steps) {
      const payload = await runStep(step)
      if (payload.userErrors.length > 0) {
        setFaults(payload.userErrors)
        setRunning(false)
        return
      }
      warnings.push(...(payload.warnings ?? []).map(({ message }) => message))
      route = payload.route ?? route
    }
    setRunning(false)
    setDone({ route, warnings })
    announce(`Done: ${story.title}.`)
  }

  return (
    <section className="panel story" aria-labelledby={`story-${story.id}`} data-story={story.id}>
      <h2 id={`story-${story.id}`}>{story.title}</h2>
      <p className="hint">{story.text}</p>
      <form className="stack" onSubmit={(event) => void submit(event)}>
        {story.fields.map((field) => (
          <StoryField
            key={field.name}
            field={field}
            value={chosen[field.name] ?? ''}
            choices={field.kind === 'route' || field.kind === 'backend' ? choices[field.kind] : []}
            onChange={(value) => setValues({ ...values, [field.name]: value })}
          />
        ))}
        <Faults faults={faults} />
        {done && (
          <div className="done" role="status">
            <p>Done. {done.route && <Link href={`/routes/${done.route.id}`}>See the route {done.route.name}</Link>}</p>
            {done.warnings.map((warning) => (
              <p key={warning}>{warning}</p>
            ))}
          </div>
        )}
        <footer>
          <button className="primary" disabled={isRunning}>
            {story.action}
          </button>
          {steps.map(({ name, document, variables }) => (
            <Source key={name} of={name} document={document} variables={withoutSecrets(variables)} />
          ))}
        </footer>
      </form>
    </section>
  )
}

interface FieldProps {
  readonly field: Field
  readonly value: string
  readonly choices: readonly Choice[]
  readonly onChange: (value: string) => void
}

function StoryField({ field, value, choices, onChange }: FieldProps) {
  const id = useId()
  const { label, kind, isOptional = false } = field
  return (
    <div>
      <label htmlFor={id}>
        {label}
        {isOptional && <span className="hint"> (if there is one)</span>}
      </label>
      {kind === 'route' || kind === 'backend' ? (
        <select id={id} value={value} required onChange={(event) => onChange(event.target.value)}>
          {choices.length === 0 && <option value="">There is none yet</option>}
          {choices.map((choice) => (
            <option key={choice.id} value={choice.id}>
              {choice.name}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={id}
          type={kind}
          value={value}
          required={!isOptional}
          autoComplete="off"
          spellCheck={false}
          min={kind === 'number' ? 0 : undefined}
          max={kind === 'number' ? 1_000_000 : undefined}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </div>
  )
}
