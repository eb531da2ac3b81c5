import { type FormEvent, useState } from 'react'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import type { VariablesOf } from '../api/graphql.ts'
import { Dialog } from '../ui/dialog.tsx'
import { formText } from '../ui/form-text.ts'
import { Source } from '../ui/source.tsx'
import { CreateRateLimit } from './limit-documents.ts'
import { PerField, perInput } from './per-field.tsx'
import { SubjectField, subjectInput } from './subject-field.tsx'

interface Props {
  /** The object that it is about; undefined: the viewer chooses. */
  readonly subjectId: string | undefined
  readonly onClose: () => void
}

type Variables = VariablesOf<typeof CreateRateLimit>

export function CreateLimitDialog({ subjectId, onClose }: Props) {
  const { run, faults, isRunning } = useChange(CreateRateLimit, 'The limit is set.')
  const [shown, setShown] = useState<Variables>(() => ({
    input: { subject: subjectId ? { id: subjectId } : { installation: true }, requestsPerMinute: 60 },
  }))
  const read = (form: HTMLFormElement) => readLimit(form, subjectId)
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (await run(read(event.currentTarget))) onClose()
  }
  return (
    <Dialog title="New limit" onClose={onClose}>
      <form onSubmit={(event) => void submit(event)} onChange={(event) => setShown(read(event.currentTarget))}>
        <p className="hint">
          What has no room is refused with 429; a backend without room is left out, and the request goes to another one.
        </p>
        <div className="form-grid">
          {subjectId === undefined && <SubjectField />}
          <PerField />
          <WholeField name="requests" label="Requests per minute" value="60" />
          <WholeField name="tokens" label="Tokens per minute" />
          <WholeField name="inFlight" label="Requests at the same time" />
          <WholeField name="burst" label="Most at once" />
        </div>
        <label className="check">
          <input type="checkbox" name="observe" /> Only count what it would refuse
        </label>
        <label>
          Reason
          <input name="reason" maxLength={1_024} />
        </label>
        <Faults faults={faults} />
        <footer>
          <button className="primary" disabled={isRunning}>
            Set the limit
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <Source of="Set a limit" document={CreateRateLimit} variables={shown} />
        </footer>
      </form>
    </Dialog>
  )
}

function WholeField({
  name,
  label,
  value,
}: {
  readonly name: string
  readonly label: string
  readonly value?: string
}) {
  return (
    <label>
      {label}
      <input type="number" name={name} min={1} step={1} defaultValue={value} placeholder="not bounded" />
    </label>
  )
}

function readLimit(form: HTMLFormElement, subjectId: string | undefined): Variables {
  const whole = (name: string) => {
    const text = formText(form, name)
    return text === '' ? null : Number(text)
  }
  return {
    input: {
      subject: subjectId ? { id: subjectId } : subjectInput(formText(form, 'subject')),
      per: perInput(formText(form, 'per')),
      requestsPerMinute: whole('requests'),
      tokensPerMinute: whole('tokens'),
      inFlight: whole('inFlight'),
      burst: whole('burst'),
      enforcement: formText(form, 'observe') ? 'OBSERVE' : 'ENFORCE',
      reason: formText(form, 'reason') || null,
    },
  }
}
