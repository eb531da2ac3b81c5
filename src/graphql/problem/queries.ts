import { readsConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { ProblemRef } from './type.ts'
import { visibleProblems } from './visibility.ts'

builder.queryField('problems', (t) =>
  t.field({
    type: [ProblemRef],
    description:
      'What is wrong now, worst first, at most 100; empty if nothing is wrong. This field works even while the database cannot be reached.',
    authScopes: readsConfig,
    resolve: async (_root, _args, context) => {
      const { problems } = await context.live.problems.read()
      return [...visibleProblems(context, problems)]
    },
  }),
)
