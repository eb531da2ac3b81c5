import { type FormEvent, useState } from 'react'
import { graphql } from '../api/graphql.ts'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { Dialog } from '../ui/dialog.tsx'
import { formText } from '../ui/form-text.ts'
import { Source } from '../ui/source.tsx'

export const TakeBack = graphql(`
  mutation TakeBack($route: ID!, $toRevision: Int!, $expectedRevision: Int!, $reason: String) {
    routeRollback(
      input: { route: { id: $route }, toRevision: $toRevision, expectedRevision: $expectedRevision, reason: $reason }
    ) {
      userErrors {
        code
        message
      }
      applied
      route {
        id
        revision
        state
        targets {
          id
          weight
          share
          availability
        }
      }
    }
  }
`)

interface Props {
  readonly route: { readonly id: string; readonly name: string; readonly revision: number }
  readonly toRevision: number
  readonly label?: string
  readonly onDone?: () => void
}

/** A button that restores an earlier revision of a route, after a reason was asked for. */
export function TakeBackButton({ route, toRevision, label = 'Take it back', onDone }: Props) {
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <button
        type="button"
        className="small"
        onClick={() => setOpen(true)}
        aria-label={`${label}: ${route.name} to revision ${toRevision}`}
      >
        {label}
      </button>
      {isOpen && (
        <TakeBackDialog route={route} toRevision={toRevision} onClose={() => setOpen(false)} onDone={onDone} />
      )}
    </>
  )
}

function TakeBackDialog({
  route,
  toRevision,
  onClose,
  onDone,
}: Pick<Props, 'route' | 'toRevision'> & { readonly onClose: () => void; readonly onDone: (() => void) | undefined }) {
  // What the viewer decided on: a change that comes while the dialog is open is a conflict.
  const [expectedRevision] = useState(route.revision)
  const { run, faults, isRunning } = useChange(TakeBack, `${route.name} is back at revision ${toRevision}.`)
  const variables = { route: route.id, toRevision, expectedRevision, reason: null as string | null }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const reason = formText(event.currentTarget, 'reason')
    if (!(await run({ ...variables, reason: reason || null }))) return
    onDone?.()
    onClose()
  }
  return (
    <Dialog title={`Take ${route.name} back to revision ${toRevision}`} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <p>
          Weights, targets, fallback and access become what they were in revision {toRevision}, as a new revision.
          Requests in flight end where they are.
        </p>
        <label>
          Reason
          <input name="reason" maxLength={500} autoFocus />
        </label>
        <Faults faults={faults} />
        <footer>
          <button className="primary" disabled={isRunning}>
            Take it back
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <Source of="Take it back" document={TakeBack} variables={variables} />
        </footer>
      </form>
    </Dialog>
  )
}
