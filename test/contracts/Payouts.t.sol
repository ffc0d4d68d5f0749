// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {Payments} from "../../contracts/libraries/Payments.sol";
import {Reenterer, Refuser, Talker} from "./Accounts.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice How money leaves: claims, refunds and bonds, against everything that would make it leave twice.
contract PayoutsTest is MarketTest {
    address private constant PAYEE = address(0x9a1);

    // ---- claims ------------------------------------------------------------------------------------

    function test_aClaimPaysItsAccountOnceWhoeverSendsIt() public {
        IJobEscrow.Payout memory payout = IJobEscrow.Payout(0, PAYEE, 700);
        bytes32 other = keccak256("the other leaf");
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settled(_pair(_leaf(payout), other));
        _true(!escrow.isClaimed(job, 0), "not yet claimed");
        vm.prank(STRANGER);
        escrow.claim(job, outcome, payout, _proof(other));
        _eq(PAYEE.balance, 700, "paid");
        _eq(escrow.jobOf(job).unclaimed, _price(1) - 700, "left");
        _true(escrow.isClaimed(job, 0), "claimed");
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.AlreadyClaimed.selector, job, 0));
        escrow.claim(job, outcome, payout, _proof(other));
    }

    function test_claimsBesideTheEdgeOfTheInlineBitsAreCountedOnceEach() public {
        uint256[6] memory indices = [uint256(0), 109, 110, 255, 256, type(uint256).max];
        for (uint256 i; i < indices.length; ++i) {
            IJobEscrow.Payout memory payout = IJobEscrow.Payout(indices[i], PAYEE, 1);
            (bytes32 job, IJobEscrow.Outcome memory outcome) = _settled(_leaf(payout));
            escrow.claim(job, outcome, payout, new bytes32[](0));
            for (uint256 j; j < indices.length; ++j) {
                _true(escrow.isClaimed(job, indices[j]) == (i == j), "this index and no other");
            }
            vm.expectRevert(abi.encodeWithSelector(IJobEscrow.AlreadyClaimed.selector, job, indices[i]));
            escrow.claim(job, outcome, payout, new bytes32[](0));
        }
        _eq(PAYEE.balance, indices.length, "each once");
    }

    function test_aProofHoldsForIndexAccountAmountAndTree() public {
        IJobEscrow.Payout memory payout = IJobEscrow.Payout(3, PAYEE, 700);
        bytes32 other = keccak256("the other leaf");
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settled(_pair(_leaf(payout), other));
        _refusedProof(job, outcome, IJobEscrow.Payout(4, PAYEE, 700), _proof(other));
        _refusedProof(job, outcome, IJobEscrow.Payout(3, STRANGER, 700), _proof(other));
        _refusedProof(job, outcome, IJobEscrow.Payout(3, PAYEE, 701), _proof(other));
        _refusedProof(job, outcome, payout, _proof(keccak256("not in the tree")));
        _refusedProof(job, outcome, payout, new bytes32[](0));
        _refusedProof(job, outcome, payout, new bytes32[](2));
        // Another job's tree proves nothing here.
        (bytes32 second, IJobEscrow.Outcome memory others) = _settled(keccak256("another tree"));
        _refusedProof(second, others, payout, _proof(other));
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.OutcomeMismatch.selector, second));
        escrow.claim(second, outcome, payout, _proof(other));
    }

    /// Leaves are hashed twice, so a node of two hashes is not the leaf of a payout.
    function test_anInnerNodeIsNoLeaf() public {
        IJobEscrow.Payout memory payout = IJobEscrow.Payout(1, PAYEE, 7);
        bytes32 once = keccak256(abi.encode(payout.index, payout.account, payout.amount));
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settled(once);
        _refusedProof(job, outcome, payout, new bytes32[](0));
    }

    function test_claimsBeyondWhatWasPaidInAreRefused() public {
        IJobEscrow.Payout memory all = IJobEscrow.Payout(0, PAYEE, _price(1));
        IJobEscrow.Payout memory more = IJobEscrow.Payout(1, STRANGER, 1);
        _fund(); // money of another job is in the escrow
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settled(_pair(_leaf(all), _leaf(more)));
        escrow.claim(job, outcome, all, _proof(_leaf(more)));
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.ClaimTooLarge.selector, job, 1, 0));
        escrow.claim(job, outcome, more, _proof(_leaf(all)));
        _eq(address(escrow).balance, _price(1), "the other job's money stays");
    }

    function test_aClaimBeyond96BitsIsTooLargeAndDoesNotWrap() public {
        IJobEscrow.Payout memory payout = IJobEscrow.Payout(0, PAYEE, (1 << 96) + 1);
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settled(_leaf(payout));
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.ClaimTooLarge.selector, job, payout.amount, _price(1))
        );
        escrow.claim(job, outcome, payout, new bytes32[](0));
    }

    function test_nothingIsClaimedBeforeTheJobIsSettled() public {
        IJobEscrow.Payout memory payout = IJobEscrow.Payout(0, PAYEE, 700);
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _attested(_leaf(payout));
        vm.expectRevert(
            abi.encodeWithSelector(
                IJobEscrow.TransitionRefused.selector, job, JobState.Attested, JobState.Settled
            )
        );
        escrow.claim(job, outcome, payout, new bytes32[](0));
        (bytes32 funded,) = _fund();
        vm.expectRevert(
            abi.encodeWithSelector(
                IJobEscrow.TransitionRefused.selector, funded, JobState.Funded, JobState.Settled
            )
        );
        escrow.claim(funded, outcome, payout, new bytes32[](0));
        _true(!escrow.isClaimed(job, 0) && !escrow.isClaimed(funded, 0), "nothing claimed");
    }

    /// Whatever else is in its slot must not be read as claims.
    function test_noPayoutOfARunningJobIsClaimed() public {
        (bytes32 job,) = _fund();
        for (uint256 index; index < 110; ++index) _true(!escrow.isClaimed(job, index), "running");
    }

    function test_manyClaimsPayAllOrNone() public {
        IJobEscrow.Payout memory first = IJobEscrow.Payout(0, PAYEE, 700);
        IJobEscrow.Payout memory second = IJobEscrow.Payout(200, STRANGER, 50);
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settled(_pair(_leaf(first), _leaf(second)));
        IJobEscrow.Claim[] memory claims = new IJobEscrow.Claim[](2);
        claims[0] = IJobEscrow.Claim(job, outcome, first, _proof(_leaf(second)));
        claims[1] = claims[0];
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.AlreadyClaimed.selector, job, 0));
        escrow.claimMany(claims);
        _eq(PAYEE.balance, 0, "none");
        claims[1] = IJobEscrow.Claim(job, outcome, second, _proof(_leaf(first)));
        escrow.claimMany(claims);
        _eq(PAYEE.balance, 700, "first");
        _eq(STRANGER.balance, 50, "second");
    }

    // ---- accounts that misbehave -------------------------------------------------------------------

    function test_anAccountThatRefusesPaymentKeepsItsClaimAndHindersNobody() public {
        address refuser = address(new Refuser());
        IJobEscrow.Payout memory refused = IJobEscrow.Payout(0, refuser, 700);
        IJobEscrow.Payout memory other = IJobEscrow.Payout(1, PAYEE, 50);
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settled(_pair(_leaf(refused), _leaf(other)));
        vm.expectRevert(abi.encodeWithSelector(Payments.PaymentFailed.selector, refuser, 700));
        escrow.claim(job, outcome, refused, _proof(_leaf(other)));
        _true(!escrow.isClaimed(job, 0), "not marked as paid");
        escrow.claim(job, outcome, other, _proof(_leaf(refused)));
        _eq(PAYEE.balance, 50, "the other is paid");
    }

    function test_aLongAnswerToAPaymentIsNotCopied() public {
        IJobEscrow.Payout memory payout = IJobEscrow.Payout(0, address(new Talker()), 700);
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settled(_leaf(payout));
        escrow.claim(job, outcome, payout, new bytes32[](0));
        _eq(payout.account.balance, 700, "paid");
    }

    function test_reenteringAClaimPaysNothingMore() public {
        Reenterer thief = new Reenterer();
        IJobEscrow.Payout memory first = IJobEscrow.Payout(0, address(thief), 700);
        IJobEscrow.Payout memory second = IJobEscrow.Payout(1, address(thief), 50);
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settled(_pair(_leaf(first), _leaf(second)));
        _fund(); // something to steal
        IJobEscrow.Claim[] memory claims = new IJobEscrow.Claim[](1);
        claims[0] = IJobEscrow.Claim(job, outcome, second, _proof(_leaf(first)));
        thief.prepare(
            address(escrow), abi.encodeCall(escrow.claim, (job, outcome, first, _proof(_leaf(second))))
        );
        thief.prepare(
            address(escrow), abi.encodeCall(escrow.claim, (job, outcome, second, _proof(_leaf(first))))
        );
        thief.prepare(address(escrow), abi.encodeCall(escrow.claimMany, (claims)));
        escrow.claim(job, outcome, first, _proof(_leaf(second)));
        _allRefused(thief, 3);
        _eq(address(thief).balance, 700, "once");
        // In a call of its own the second payout is still there.
        escrow.claimMany(claims);
        _eq(address(thief).balance, 750, "the second");
    }

    function test_reenteringARefundPaysNothingMore() public {
        Reenterer thief = new Reenterer();
        vm.deal(address(thief), _price(1));
        _fund(); // something to steal
        (, IJobEscrow.JobTerms memory terms) = _fundAs(address(thief));
        (, IJobEscrow.JobTerms memory others) = _failed();
        thief.prepare(address(escrow), abi.encodeCall(escrow.refund, (terms)));
        thief.prepare(address(escrow), abi.encodeCall(escrow.refund, (others)));
        vm.warp(terms.deadlineSec + 1);
        escrow.refund(terms);
        _allRefused(thief, 2);
        _eq(address(thief).balance, _price(1), "once");
        _eq(address(escrow).balance, 2 * _price(1), "the others' money stays");
    }

    function test_reenteringTheReturnOfABondPaysNothingMore() public {
        Reenterer thief = new Reenterer();
        vm.deal(address(thief), BOND);
        thief.execute(address(operators), BOND, _registration(address(thief), 0x7b1ef));
        thief.execute(address(operators), 0, abi.encodeCall(operators.requestUnbond, ()));
        thief.prepare(address(operators), abi.encodeCall(operators.withdrawBond, ()));
        vm.warp(block.timestamp + UNBONDING);
        thief.execute(address(operators), 0, abi.encodeCall(operators.withdrawBond, ()));
        _true(!thief.successes(0), "the second withdrawal failed");
        _true(
            keccak256(thief.answers(0))
                == keccak256(abi.encodeWithSelector(IOperatorRegistry.NotRegistered.selector, address(thief))),
            "the record was gone before the money left"
        );
        _eq(address(thief).balance, BOND, "once");
    }

    function test_aBuyerThatRefusesPaymentHurtsItselfAlone() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _fundWithRefuser();
        vm.warp(terms.deadlineSec + 1);
        vm.expectRevert(abi.encodeWithSelector(Payments.PaymentFailed.selector, terms.buyer, terms.amount));
        escrow.refund(terms);
        _eq(_state(job), JobState.Funded);
    }

    function test_theEscrowTakesNoMoneyThatIsNotAJobs() public {
        vm.deal(address(this), 1);
        (bool success,) = address(escrow).call{value: 1}("");
        _true(!success, "a plain transfer");
        (success,) = address(operators).call{value: 1}("");
        _true(!success, "a plain transfer to the registry");
    }

    // ---- fuzz --------------------------------------------------------------------------------------

    /// Two payouts of any amounts and indices: what is paid never exceeds what was paid in, and each once.
    function testFuzz_twoClaimsTakeWhatTheTreeSaysAndNoMore(
        uint256 firstIndex,
        uint256 secondIndex,
        uint256 firstWei,
        uint256 secondWei,
        bool close
    ) public {
        // Half of the runs near what the job holds, where sums go over.
        if (close) (firstWei, secondWei) = (firstWei % (_price(1) + 2), secondWei % (_price(1) + 2));
        vm.assume(firstIndex != secondIndex);
        IJobEscrow.Payout memory first = IJobEscrow.Payout(firstIndex, PAYEE, firstWei);
        IJobEscrow.Payout memory second = IJobEscrow.Payout(secondIndex, PAYEE, secondWei);
        _fund();
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settled(_pair(_leaf(first), _leaf(second)));
        uint256 expected;
        expected += _tryClaim(job, outcome, first, _leaf(second), _price(1) - expected);
        expected += _tryClaim(job, outcome, second, _leaf(first), _price(1) - expected);
        // A second round pays nothing, whatever the first did.
        _tryClaim(job, outcome, first, _leaf(second), 0);
        _tryClaim(job, outcome, second, _leaf(first), 0);
        _eq(PAYEE.balance, expected, "paid");
        _eq(escrow.jobOf(job).unclaimed, _price(1) - expected, "left");
        _eq(address(escrow).balance, 2 * _price(1) - expected, "balance");
    }

    /// The slot of a settled job keeps amount, bits and time apart.
    function testFuzz_inlineBitsDoNotTouchTheAmount(uint8 index, uint40 windowStart) public {
        vm.warp(uint256(windowStart) % (1 << 39) + START);
        IJobEscrow.Payout memory payout = IJobEscrow.Payout(uint256(index) % 110, PAYEE, 1);
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settled(_leaf(payout));
        uint256 endSec = escrow.jobOf(job).windowEndSec;
        escrow.claim(job, outcome, payout, new bytes32[](0));
        IJobEscrow.Job memory stored = escrow.jobOf(job);
        _eq(stored.windowEndSec, endSec, "time");
        _eq(stored.unclaimed, _price(1) - 1, "amount");
        _eq(stored.state, JobState.Settled);
        for (uint256 i; i < 110; ++i) _true(escrow.isClaimed(job, i) == (i == payout.index), "bits");
    }

    // ---- steps of this file ------------------------------------------------------------------------

    /// Claims, and checks that exactly a first claim of at most `leftWei` succeeds. Returns what was paid.
    function _tryClaim(
        bytes32 job,
        IJobEscrow.Outcome memory outcome,
        IJobEscrow.Payout memory payout,
        bytes32 sibling,
        uint256 leftWei
    ) private returns (uint256) {
        bool due = payout.amount <= leftWei && !escrow.isClaimed(job, payout.index);
        try escrow.claim(job, outcome, payout, _proof(sibling)) {
            _true(due, "a claim that is not due was paid");
            return payout.amount;
        } catch {
            _true(!due, "a claim that is due was refused");
            return 0;
        }
    }

    function _fundWithRefuser() private returns (bytes32, IJobEscrow.JobTerms memory) {
        address refuser = address(new Refuser());
        vm.deal(refuser, _price(1));
        return _fundAs(refuser);
    }

    function _allRefused(Reenterer thief, uint256 attempts) private view {
        _eq(thief.attempts(), attempts, "it did try");
        for (uint256 i; i < attempts; ++i) {
            _true(!thief.successes(i), "a call back succeeded");
            _true(
                bytes4(thief.answers(i)) == bytes4(keccak256("ReentrancyGuardReentrantCall()")),
                "refused for another reason"
            );
        }
    }

    function _refusedProof(
        bytes32 job,
        IJobEscrow.Outcome memory outcome,
        IJobEscrow.Payout memory payout,
        bytes32[] memory proof
    ) private {
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.ProofInvalid.selector, job, payout.index));
        escrow.claim(job, outcome, payout, proof);
    }
}
