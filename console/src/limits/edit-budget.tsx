import type { VariablesOf } from '../api/graphql.ts'
import { EditDialog } from '../change/edit-dialog.tsx'
import { formText } from '../ui/form-text.ts'
import { type BudgetNode, UpdateBudget } from './budget-documents.ts'
import { ActionField, AmountField, PeriodField, readAction, readPeriod } from './budget-fields.tsx'
import { subjectText } from './subject.tsx'

type Input = VariablesOf<typeof UpdateBudget>['input']

/** For this period and those that follow; to allow more once, it is raised. */
export function EditBudgetDialog({ budget, onClose }: { readonly budget: BudgetNode; readonly onClose: () => void }) {
  return (
    <EditDialog
      title={`Edit the budget of ${subjectText(budget.subject)}`}
      said="The budget is changed."
      subject={budget}
      document={UpdateBudget}
      read={readChanges}
      onClose={onClose}
    >
      <p className="hint">For this period and those that follow. Another period ends what it was raised by.</p>
      <div className="form-grid">
        <AmountField amount={budget.amount} />
        <PeriodField period={budget.period} />
      </div>
      <ActionField action={budget.onExhausted} />
    </EditDialog>
  )
}

function readChanges(form: HTMLFormElement, budget: BudgetNode): Input {
  const [amount, period, onExhausted] = [formText(form, 'amount'), readPeriod(form), readAction(form)]
  return {
    id: budget.id,
    ...(amount !== budget.amount && { amount }),
    ...(period !== budget.period && { period }),
    ...(onExhausted !== budget.onExhausted && { onExhausted }),
  }
}
