"""A model as an ONNX graph, where the two give the same answers: made when the model is wrapped, run when it is served.

    wrapped   `converting` the estimator, in the ways there are ─ `comparing` each with the model on rows that `drawing`
              makes of what `domain` knows of the columns ─ the nearest one is kept, with its figures
    served    `serving` compares once more, then lets the `graphs` answer; what was not compared goes to the model

The estimator is never changed; the converters' libraries are needed when wrapping only.
"""
