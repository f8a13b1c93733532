"""A flow of a project."""

from asyncflow import FlowSpec, current, project, schedule, step, trigger


@project(name="churn")
@schedule(hourly=True)
@trigger(event="data.ready")
class ProjectedFlow(FlowSpec):
    """Say to what it belongs."""

    @step
    def start(self):
        """Say it."""
        self.told = [
            current.project_name,
            current.branch_name,
            current.project_flow_name,
            current.is_user_branch,
            current.is_production,
        ]
        self.next(self.end)

    @step
    def end(self):
        """Fail once."""
        with open("tries", "a") as file:
            file.write("x")
            tries = file.tell()
        if tries == 1:
            raise ValueError("first")
