import { useState } from 'react'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { useConfigQuery } from '../live/config-version.tsx'
import { useRefreshed } from '../live/use-refreshed.ts'
import { useSession } from '../session/session.tsx'
import { money } from '../ui/figures.ts'
import { Source } from '../ui/source.tsx'
import { Empty, Loaded } from '../ui/state.tsx'
import { Day } from '../ui/time.tsx'
import { type BudgetNode, Budgets, type BudgetState, DeleteBudget } from './budget-documents.ts'
import { CreateBudgetDialog } from './create-budget.tsx'
import { EditBudgetDialog } from './edit-budget.tsx'
import { RaiseBudgetDialog } from './raise-budget.tsx'
import { perText, SubjectName, subjectText } from './subject.tsx'

const refreshMs = 10_000

const periods = {
  DAY: 'a day',
  WEEK: 'a week',
  MONTH: 'a month',
  QUARTER: 'a quarter',
  YEAR: 'a year',
  TOTAL: 'in all',
} as const
const actions = {
  REFUSE: 'then requests are refused',
  SKIP_PRICED: 'then only backends without a price are used',
  NOTIFY: 'then it is only told',
} as const

/** What may be spent, what was, and the day when it is used up. */
export function BudgetsPanel() {
  const { may } = useSession()
  const { data, fault, refresh } = useConfigQuery(Budgets, {})
  useRefreshed(refresh, refreshMs)
  const [isCreating, setCreating] = useState(false)
  return (
    <section className="panel" aria-labelledby="budgets-title">
      <header>
        <h2 id="budgets-title">Budgets</h2>
        {may('CONFIG_WRITE') && (
          <button type="button" onClick={() => setCreating(true)}>
            New budget
          </button>
        )}
        <Source of="Budgets" document={Budgets} />
      </header>
      <Loaded data={data} fault={fault}>
        {({ budgets }) =>
          budgets.edges.length === 0 ? (
            <Empty>Nothing bounds what may be spent.</Empty>
          ) : (
            <>
              <ul className="budgets">
                {budgets.edges.map(({ node }) => (
                  <Budget key={node.id} budget={node} />
                ))}
              </ul>
              {budgets.totalCount > budgets.edges.length && (
                <p className="hint">{budgets.totalCount - budgets.edges.length} newer ones are not shown.</p>
              )}
            </>
          )
        }
      </Loaded>
      {isCreating && <CreateBudgetDialog onClose={() => setCreating(false)} />}
    </section>
  )
}

function Budget({ budget }: { readonly budget: BudgetNode }) {
  const { may } = useSession()
  const [isRaising, setRaising] = useState(false)
  const [isEditing, setEditing] = useState(false)
  const name = subjectText(budget.subject)
  return (
    <li data-budget={name}>
      <header className="row">
        <h3 className="grow">
          <SubjectName subject={budget.subject} />
          <span className="hint">
            {' · '}
            {money(budget.amount)} {periods[budget.period]} {perText(budget.per)}, {actions[budget.onExhausted]}
          </span>
        </h3>
        {may('CONFIG_WRITE') && (
          <>
            <button
              type="button"
              className="small"
              aria-label={`Raise the budget of ${name}`}
              onClick={() => setRaising(true)}
            >
              Raise
            </button>
            <button
              type="button"
              className="small"
              aria-label={`Edit the budget of ${name}`}
              onClick={() => setEditing(true)}
            >
              Edit
            </button>
            <DeleteButton budget={budget} />
          </>
        )}
      </header>
      {budget.states.edges.length === 0 && <p className="hint">Nothing was spent yet.</p>}
      {budget.states.edges.map(({ node }) => (
        <Spending key={node.labels.join()} state={node} name={name} />
      ))}
      {budget.states.pageInfo.hasNextPage && <p className="hint">and others that spent less</p>}
      {isEditing && <EditBudgetDialog budget={budget} onClose={() => setEditing(false)} />}
      {isRaising && <RaiseBudgetDialog budget={budget} onClose={() => setRaising(false)} />}
    </li>
  )
}

function Spending({ state, name }: { readonly state: BudgetState; readonly name: string }) {
  const used = Number(state.spent) + Number(state.reserved)
  // With what it was raised by in the running period.
  const allowed = used + Number(state.remaining)
  const label = state.labels.join(', ')
  return (
    <div className="spending">
      {label && <b>{label}</b>}
      <meter
        min={0}
        max={Math.max(allowed, 0)}
        high={allowed * 0.8}
        optimum={0}
        value={used}
        aria-label={`Spent of the budget of ${name} ${label}`}
      />
      <span>
        <b className={state.exhausted ? 'fault' : ''}>{money(state.spent)}</b> of {money(String(allowed))}
        {Number(state.reserved) > 0 && <span className="hint"> · {money(state.reserved)} under way</span>}
      </span>
      <span className={state.exhausted || state.runsOutAt ? 'differs' : 'hint'}>
        {state.exhausted ? 'used up' : state.runsOutAt ? <Runs out={state.runsOutAt} /> : 'lasts at this pace'}
        {state.resetsAt && (
          <span className="hint">
            {' · opens anew '}
            <Day instant={state.resetsAt} />
          </span>
        )}
      </span>
    </div>
  )
}

function Runs({ out }: { readonly out: string }) {
  return (
    <>
      used up <Day instant={out} /> at this pace
    </>
  )
}

function DeleteButton({ budget }: { readonly budget: BudgetNode }) {
  const { run, faults, isRunning } = useChange(DeleteBudget, 'The budget is gone.')
  const variables = { id: budget.id, expectedRevision: budget.revision }
  return (
    <>
      <button
        type="button"
        className="small danger"
        disabled={isRunning}
        aria-label={`Delete the budget of ${subjectText(budget.subject)}`}
        onClick={() => void run(variables)}
      >
        Delete
      </button>
      <Source of="Delete a budget" document={DeleteBudget} variables={variables} />
      <Faults faults={faults} />
    </>
  )
}
