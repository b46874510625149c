"""One way to measure, whatever the task: a task gives predictions and counts of each row, everything else is here.

evaluate(model, champion, evaluator) -> EvaluationReport
"""
