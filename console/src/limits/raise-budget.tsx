import { type FormEvent, useState } from 'react'
import { ChangedMeanwhile } from '../change/changed-meanwhile.tsx'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { Dialog } from '../ui/dialog.tsx'
import { formText } from '../ui/form-text.ts'
import { Source } from '../ui/source.tsx'
import { type BudgetNode, RaiseBudget } from './budget-documents.ts'
import { subjectText } from './subject.tsx'

/** More for the running period, after a reason was asked for. */
export function RaiseBudgetDialog({ budget, onClose }: { readonly budget: BudgetNode; readonly onClose: () => void }) {
  // What the viewer decided on: a change that comes while the dialog is open is a conflict.
  const [expectedRevision, setExpectedRevision] = useState(budget.revision)
  const { run, faults, isRunning } = useChange(RaiseBudget, 'The budget is raised.')
  const [amount, setAmount] = useState('')
  const variables = { id: budget.id, amount, expectedRevision, reason: null as string | null }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const reason = formText(event.currentTarget, 'reason')
    if (await run({ ...variables, reason: reason || null })) onClose()
  }
  return (
    <Dialog title={`Raise the budget of ${subjectText(budget.subject)}`} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <p>More for the running period, and for no other.</p>
        <label>
          USD more
          <input
            name="amount"
            inputMode="decimal"
            pattern="[0-9]+(\.[0-9]+)?"
            title="USD, e.g. 25 or 2.50"
            required
            autoFocus
            value={amount}
            onChange={(event) => setAmount(event.target.value)}
          />
        </label>
        <label>
          Reason
          <input name="reason" maxLength={1_024} />
        </label>
        <ChangedMeanwhile
          subjectId={budget.id}
          seenRevision={expectedRevision}
          revision={budget.revision}
          onRebase={() => setExpectedRevision(budget.revision)}
        />
        <Faults faults={faults.filter(({ code }) => code !== 'REVISION_CONFLICT')} />
        <footer>
          <button className="primary" disabled={isRunning || budget.revision !== expectedRevision}>
            Raise it
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <Source of="Raise a budget" document={RaiseBudget} variables={variables} />
        </footer>
      </form>
    </Dialog>
  )
}
