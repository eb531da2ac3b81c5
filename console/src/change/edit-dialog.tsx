import { type FormEvent, Fragment, type ReactNode, useEffect, useRef, useState } from 'react'
import type { TypedDocumentNode } from 'urql'
import { Dialog } from '../ui/dialog.tsx'
import { formText } from '../ui/form-text.ts'
import { Source } from '../ui/source.tsx'
import { ChangedMeanwhile } from './changed-meanwhile.tsx'
import { Faults } from './faults.tsx'
import { useChange } from './use-change.ts'
import { withoutSecrets } from './without-secrets.ts'

/** What every update takes besides what it changes. */
interface UpdateInput {
  expectedRevision?: number | null | undefined
  reason?: string | null | undefined
}

interface Subject {
  readonly id: string
  readonly revision: number
}

interface Props<Data, Input extends UpdateInput, Edited extends Subject> {
  readonly title: string
  /** Announced when it was done. */
  readonly said: string
  readonly subject: Edited
  readonly document: TypedDocumentNode<Data, { input: Input }>
  /** What the form says; `before` is the object as it was when the form was opened. What the viewer left alone need not be in it. */
  readonly read: (form: HTMLFormElement, before: Edited) => Input
  readonly action?: string
  readonly onClose: () => void
  readonly children: ReactNode
}

/** A form that changes one object, if it still is as the viewer saw it. */
export function EditDialog<Data, Input extends UpdateInput, Edited extends Subject>(props: Props<Data, Input, Edited>) {
  const { title, said, subject, document, read, action = 'Apply', onClose, children } = props
  const [before, setBefore] = useState(subject)
  const [isTouched, setTouched] = useState(false)
  // What the viewer decided on: a change that comes while the form is open is a conflict.
  const [seenRevision, setSeenRevision] = useState(before.revision)
  const [shown, setShown] = useState<unknown>({})
  const form = useRef<HTMLFormElement>(null)
  const { run, faults, isRunning, clear } = useChange(document, said)
  const inputOf = (filled: HTMLFormElement): { input: Input } => ({
    input: { ...read(filled, before), expectedRevision: seenRevision, reason: formText(filled, 'reason') || null },
  })
  const show = (filled: HTMLFormElement) => setShown(withoutSecrets(inputOf(filled)))
  useEffect(() => {
    if (form.current) show(form.current)
  }, [seenRevision])
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (await run(inputOf(event.currentTarget))) onClose()
  }
  // A form in which nothing was typed yet follows what is live.
  if (!isTouched && before.revision !== subject.revision) {
    setBefore(subject)
    setSeenRevision(subject.revision)
  }
  const rebase = () => {
    clear()
    setSeenRevision(subject.revision)
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        ref={form}
        onSubmit={(event) => void submit(event)}
        onChange={(event) => {
          setTouched(true)
          show(event.currentTarget)
        }}
      >
        <Fragment key={before.revision}>{children}</Fragment>
        <label>
          Reason
          <input name="reason" maxLength={1_024} placeholder="for the history" />
        </label>
        <ChangedMeanwhile
          subjectId={subject.id}
          seenRevision={seenRevision}
          revision={subject.revision}
          onRebase={rebase}
        />
        <Faults faults={faults.filter(({ code }) => code !== 'REVISION_CONFLICT')} />
        <footer>
          <button className="primary" disabled={isRunning || subject.revision !== seenRevision}>
            {isRunning ? 'Applying …' : action}
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <Source of={title} document={document} variables={shown} />
        </footer>
      </form>
    </Dialog>
  )
}
