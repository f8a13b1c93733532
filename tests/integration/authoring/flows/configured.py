"""A flow that is made of two configs."""

from asyncflow import Config, FlowSpec, Parameter, config_expr, current, project, resources, step


@project(name=config_expr("config.project.name"))
class ConfiguredFlow(FlowSpec):
    config = Config("config", default="config.json")
    extra = Config("Extra-Settings", default_value={"colour": "red"})
    alpha = Parameter("alpha", default=config.alpha)

    @resources(cpu=config_expr("config.cpu"))
    @step
    def start(self):
        self.told = [self.alpha, self.config.project.name, self.extra.colour, current.project_name]
        self.sizes = self.config.sizes
        self.next(self.each, foreach="sizes")

    @step
    def each(self):
        self.size = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(each.size for each in inputs)
        if self.config.fails:
            raise ValueError("as the config says")
        self.next(self.end)

    @step
    def end(self):
        print("told", current.parameter_names)


if __name__ == "__main__":
    ConfiguredFlow()
