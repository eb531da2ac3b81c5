import { type FormEvent, useState } from 'react'
import type { VariablesOf } from '../api/graphql.ts'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { Dialog } from '../ui/dialog.tsx'
import { formText } from '../ui/form-text.ts'
import { Source } from '../ui/source.tsx'
import { CreateBudget } from './budget-documents.ts'
import { ActionField, AmountField, PeriodField, readAction, readPeriod } from './budget-fields.tsx'
import { PerField, perInput } from './per-field.tsx'
import { SubjectField, subjectInput } from './subject-field.tsx'

type Variables = VariablesOf<typeof CreateBudget>

export function CreateBudgetDialog({ onClose }: { readonly onClose: () => void }) {
  const { run, faults, isRunning } = useChange(CreateBudget, 'The budget is set.')
  const [shown, setShown] = useState<Variables>({ input: { subject: { installation: true }, amount: '100' } })
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (await run(readBudget(event.currentTarget))) onClose()
  }
  return (
    <Dialog title="New budget" onClose={onClose}>
      <form onSubmit={(event) => void submit(event)} onChange={(event) => setShown(readBudget(event.currentTarget))}>
        <div className="form-grid">
          <SubjectField />
          <PerField />
          <AmountField />
          <PeriodField />
        </div>
        <ActionField />
        <label>
          Reason
          <input name="reason" maxLength={1_024} />
        </label>
        <Faults faults={faults} />
        <footer>
          <button className="primary" disabled={isRunning}>
            Set the budget
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <Source of="Set a budget" document={CreateBudget} variables={shown} />
        </footer>
      </form>
    </Dialog>
  )
}

function readBudget(form: HTMLFormElement): Variables {
  return {
    input: {
      subject: subjectInput(formText(form, 'subject')),
      per: perInput(formText(form, 'per')),
      amount: formText(form, 'amount'),
      period: readPeriod(form),
      // The period's days are those of the viewer: a month does not end in the middle of an afternoon.
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      onExhausted: readAction(form),
      reason: formText(form, 'reason') || null,
    },
  }
}
