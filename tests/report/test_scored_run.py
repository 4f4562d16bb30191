"""A run at its working point: the score threshold with the highest F1."""

from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.report.scored_run import score_run


def test_a_run_is_scored_where_its_f1_is_highest():
    truth = load_annotations(
        {
            'images': [{'id': 1}, {'id': 2}],
            'categories': [{'id': 1, 'name': 'cell'}],
            'annotations': [
                {'id': k, 'image_id': image, 'category_id': 1, 'bbox': [x, 0, 10, 10]}
                for k, (image, x) in enumerate([(1, 0), (1, 50), (2, 0), (2, 50)], 1)
            ],
        }
    )
    detections = [
        (1, 0, 0.9),
        (1, 200, 0.8),
        (2, 0, 0.7),
        (2, 50, 0.6),
        (2, 300, 0.5),
        (1, 400, 0.4),
    ]
    run = score_run(
        truth,
        load_detections(
            [
                {'image_id': i, 'category_id': 1, 'bbox': [x, 0, 10, 10], 'score': score}
                for i, x, score in detections
            ],
            truth,
        ),
    )
    # F1 = 2 * true / (true + false + 4): 2/5, 2/6, 4/7, 6/8, 6/9, 6/10
    assert run.threshold == 0.6
    assert run.true_positives.tolist() == [True, False, True, True, False, False]
    assert run.false_positives.tolist() == [False, True, False, False, False, False]
    assert run.n_missed.tolist() == [1, 0] and run.n_false.tolist() == [1, 0]
    assert run.n_errors.tolist() == [2, 0]
    nothing = score_run(truth, load_detections([], truth))
    assert nothing.n_missed.tolist() == [2, 2] and nothing.n_false.tolist() == [0, 0]
