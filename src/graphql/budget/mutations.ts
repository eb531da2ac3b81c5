import { createBudget } from '../../control/budget/create.ts'
import { removeBudget } from '../../control/budget/delete.ts'
import { raiseBudget } from '../../control/budget/raise.ts'
import { updateBudget } from '../../control/budget/update.ts'
import type { Answer } from '../../control/kit/context.ts'
import { writesConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { DeletePayload, MutationPayloadRef, runCommand } from '../kit/payload.ts'
import { BudgetRef } from './ref.ts'
import { BudgetCreateInput, BudgetDeleteInput, BudgetRaiseInput, BudgetUpdateInput } from './input.ts'

const BudgetPayload = builder.objectRef<Answer<string>>('BudgetPayload').implement({
  description: 'The answer to a change of a budget.',
  interfaces: [MutationPayloadRef],
  fields: (t) => ({
    budget: t.field({
      type: BudgetRef,
      nullable: true,
      description: 'The budget after the change; null if nothing was committed.',
      resolve: (answer, _args, { loaders }) => (answer.ok ? loaders.budget.load(answer.value) : null),
    }),
  }),
})

builder.mutationFields((t) => ({
  budgetCreate: t.field({
    type: BudgetPayload,
    nullable: true,
    description: 'Creates a budget.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: BudgetCreateInput, required: true, description: 'The budget.' }) },
    resolve: (_root, { input }, context) => runCommand(context, createBudget, input),
  }),
  budgetUpdate: t.field({
    type: BudgetPayload,
    nullable: true,
    description: 'Changes a budget.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: BudgetUpdateInput, required: true, description: 'What to change.' }) },
    resolve: (_root, { input }, context) => runCommand(context, updateBudget, input),
  }),
  budgetRaise: t.field({
    type: BudgetPayload,
    nullable: true,
    description: 'Adds money to the running period only.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: BudgetRaiseInput, required: true, description: 'The budget and the amount.' }) },
    resolve: (_root, { input }, context) => runCommand(context, raiseBudget, input),
  }),
  budgetDelete: t.field({
    type: DeletePayload,
    nullable: true,
    description: 'Deletes a budget.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: BudgetDeleteInput, required: true, description: 'What to delete.' }) },
    resolve: (_root, { input }, context) => runCommand(context, removeBudget, input),
  }),
}))
