import { type FormEvent, useState } from 'react'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import type { VariablesOf } from '../api/graphql.ts'
import { Dialog } from '../ui/dialog.tsx'
import { formText } from '../ui/form-text.ts'
import { Source } from '../ui/source.tsx'
import { BoundFields, ObserveField, readBounds } from './bound-fields.tsx'
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
          <BoundFields bounds={{ requestsPerMinute: 60 }} />
        </div>
        <ObserveField isObserved={false} />
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

function readLimit(form: HTMLFormElement, subjectId: string | undefined): Variables {
  return {
    input: {
      subject: subjectId ? { id: subjectId } : subjectInput(formText(form, 'subject')),
      per: perInput(formText(form, 'per')),
      ...readBounds(form),
      reason: formText(form, 'reason') || null,
    },
  }
}
